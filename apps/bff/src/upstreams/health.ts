import type { BffConfig } from '../config.ts'
import type { Endpoint } from './endpoint.ts'
import type { Group } from './group.ts'
import type { Groups } from './groups.ts'

/** Asks one upstream; why it is not well, or undefined. */
export type Check = (
  service: string,
  base: URL,
  path: string,
  timeoutMs: number,
  signal: AbortSignal,
) => Promise<string | undefined>

export interface HealthDeps {
  config: () => BffConfig
  groups: Groups
  check: Check
}

const TICK_MS = 50

/**
 * Asks the upstreams of services that want it, each for itself. The attack that is none here: a check
 * carries no token, no cookie and nothing of a request, so whoever stands at the address learns nothing.
 */
export function watchHealth({ config, groups, check }: HealthDeps): { stop(): void } {
  const stopping = new AbortController()
  const due = new WeakMap<Endpoint, number>()
  const look = async (group: Group, endpoint: Endpoint) => {
    const { health } = group.rules
    const now = performance.now()
    if (health === undefined || now < (due.get(endpoint) ?? 0)) return
    // Not again before this one is answered.
    due.set(endpoint, Number.POSITIVE_INFINITY)
    const path = endpoint.base.pathname.replace(/\/$/, '') + health.path
    const fault = await check(group.service, endpoint.base, path, health.timeoutMs, stopping.signal)
    endpoint.checked(fault, performance.now(), group.rules)
    due.set(endpoint, now + health.intervalMs)
  }
  let known: BffConfig | undefined
  let watched: readonly Group[] = []
  const timer = setInterval(() => {
    if (known !== config()) {
      known = config()
      watched = [...groups.of(known).values()].filter(({ rules }) => rules.health !== undefined)
    }
    for (const group of watched) for (const endpoint of group.endpoints) void look(group, endpoint)
  }, TICK_MS)
  timer.unref()
  return {
    stop() {
      clearInterval(timer)
      // Their connections are waited for.
      stopping.abort()
    },
  }
}
