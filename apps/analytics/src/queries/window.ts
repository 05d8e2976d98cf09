import type { INTERVALS } from '@audience-bridge/contracts/analytics.ts'
import { ProblemError } from '@audience-bridge/contracts/problem.ts'

export type Interval = (typeof INTERVALS)[number]

/** From `fromMs` inclusive to `toMs` exclusive. */
export interface Window {
  fromMs: number
  toMs: number
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const DEFAULT_MS = 7 * DAY_MS

const SIZE_MS: Record<Interval, number> = {
  minute: 60_000,
  hour: HOUR_MS,
  day: DAY_MS,
  week: 7 * DAY_MS,
}

/** 1970-01-05, the first Monday of the epoch: weeks begin on Mondays. */
const MONDAY_MS = 4 * DAY_MS

/** Points in one series; more would be a picture nobody can read and an answer of megabytes. */
const MAX_INTERVALS = 2000

/** The window that a query means. @throws ProblemError BAD_REQUEST when it is empty. */
export function windowOf(
  query: { from?: string | undefined; to?: string | undefined },
  nowMs: number,
): Window {
  // `to` is exclusive: what happened in this very millisecond is in.
  const toMs = query.to === undefined ? nowMs + 1 : Date.parse(query.to)
  const fromMs = query.from === undefined ? toMs - DEFAULT_MS : Date.parse(query.from)
  if (fromMs >= toMs) {
    throw new ProblemError('BAD_REQUEST', 'from: must be earlier than to')
  }
  // Outside of this range the store's times wrap around and answer about other centuries.
  if (fromMs < Date.UTC(1970, 0, 8) || toMs > Date.UTC(2200, 0, 1)) {
    throw new ProblemError('BAD_REQUEST', 'from, to: must be between 1970-01-08 and 2200-01-01')
  }
  return { fromMs, toMs }
}

/** The window's points: `starts[i]` begins at `originMs + i * sizeMs`; the first may precede `from`. */
export interface Grid {
  interval: Interval
  originMs: number
  sizeMs: number
  starts: string[]
}

/** @throws ProblemError BAD_REQUEST when `interval` would make too many points. */
export function gridOf(window: Window, asked: Interval | undefined): Grid {
  const interval = asked ?? defaultInterval(window.toMs - window.fromMs)
  const sizeMs = SIZE_MS[interval]
  const shift = interval === 'week' ? MONDAY_MS : 0
  const originMs = Math.floor((window.fromMs - shift) / sizeMs) * sizeMs + shift
  const count = Math.ceil((window.toMs - originMs) / sizeMs)
  if (count > MAX_INTERVALS) {
    throw new ProblemError(
      'BAD_REQUEST',
      `interval: ${interval} makes ${count} points in this window, at most ${MAX_INTERVALS}; take a longer interval or a shorter window`,
    )
  }
  const starts = Array.from({ length: count }, (_, i) => instant(originMs + i * sizeMs))
  return { interval, originMs, sizeMs, starts }
}

function defaultInterval(lengthMs: number): Interval {
  if (lengthMs <= 6 * HOUR_MS) return 'minute'
  if (lengthMs <= 14 * DAY_MS) return 'hour'
  return lengthMs <= 730 * DAY_MS ? 'day' : 'week'
}

/** RFC 3339 in UTC. */
export function instant(ms: number): string {
  return new Date(ms).toISOString()
}
