import { CouldNotRun, FAULTS_FOUND } from '../outcome.ts'

export interface Ports {
  bff: number
  idp: number
  analytics: number
  crud: number
}

/** The documented ports, or four from a base: BFF N, IdP N+1, analytics N+2, crud N+3. */
export function portsFrom(base: string | undefined): Ports {
  if (base === undefined) return { bff: 8080, idp: 8002, analytics: 8100, crud: 8000 }
  const first = Number(base)
  if (!/^\d+$/.test(base) || first < 1 || first > 65_532) {
    throw new CouldNotRun(`--port-base "${base}": give a number from 1 to 65532`, FAULTS_FOUND)
  }
  return { bff: first, idp: first + 1, analytics: first + 2, crud: first + 3 }
}
