import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** What was ingested already, so that a later start adds only what is missing since. */
export interface DemoState {
  seed: number
  /** The day of the first start: the planted anomalies stay where they were planted. */
  anchorDay: number
  /** Everything up to this time is stored; milliseconds since the epoch. */
  untilMs: number
}

/** @returns undefined when there is none, or none that can be used: ids make a re-run harmless. */
export function readState(path: string, seed: number): DemoState | undefined {
  let state: Partial<DemoState>
  try {
    state = JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
  const { anchorDay, untilMs } = state
  if (state.seed !== seed || !Number.isInteger(anchorDay) || !Number.isFinite(untilMs)) {
    return undefined
  }
  return { seed, anchorDay: Number(anchorDay), untilMs: Number(untilMs) }
}

/** In one step: a reader finds the old state or the new one. */
export function writeState(path: string, state: DemoState): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileSync(`${path}.tmp`, `${JSON.stringify(state)}\n`, { mode: 0o600 })
  renameSync(`${path}.tmp`, path)
}
