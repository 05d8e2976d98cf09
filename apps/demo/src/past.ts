import { setTimeout as pause } from 'node:timers/promises'
import { DAY_MS } from './event-writer.ts'
import { dayOf, HISTORY_DAYS, history, type Stretch } from './history.ts'
import { type IngestDeps, ingest } from './ingest.ts'
import type { Organisation } from './organisation.ts'
import { type DemoState, readState, writeState } from './state.ts'

export interface PastDeps extends IngestDeps {
  organisation: Organisation
  /** Where to remember what was ingested. */
  statePath: string
  nowMs: () => number
  /** `progress` is from 0 to 1. */
  onProgress(progress: number, events: number): void
}

/** Ingests what is missing: 60 days at the first start, later what has come since. */
export async function catchUp(deps: PastDeps): Promise<DemoState> {
  const { organisation, statePath, onProgress } = deps
  const { seed } = organisation
  const untilMs = deps.nowMs()
  const known = readState(statePath, seed)
  const anchorDay = known?.anchorDay ?? dayOf(untilMs)
  const oldest = untilMs - HISTORY_DAYS * DAY_MS
  const stretch: Stretch = {
    anchorDay,
    fromMs: Math.max(known?.untilMs ?? oldest, oldest),
    untilMs,
  }

  const firstDay = dayOf(stretch.fromMs)
  const days = dayOf(untilMs) - firstDay + 1
  let last = 0
  onProgress(0, 0)
  const stored = await ingest(deps, history(organisation, stretch), (day, soFar) => {
    // The whole is reached only when the last batch is acknowledged.
    const progress = Math.min(0.99, Math.round(((day - firstDay + 1) / days) * 100) / 100)
    if (progress > last) onProgress(progress, soFar)
    last = progress
  })
  const state = { seed, anchorDay, untilMs }
  writeState(statePath, state)
  onProgress(1, stored)
  return state
}

/** Goes on adding what the organisation does as time passes, until the signal. */
export async function keepUp(deps: PastDeps, from: DemoState, everyMs: number): Promise<void> {
  let state = from
  while (!deps.signal.aborted) {
    await pause(everyMs, undefined, { signal: deps.signal })
    const { anchorDay, untilMs: fromMs } = state
    const untilMs = deps.nowMs()
    await ingest(deps, history(deps.organisation, { anchorDay, fromMs, untilMs }))
    state = { ...state, untilMs }
    writeState(deps.statePath, state)
  }
}
