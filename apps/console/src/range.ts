import type { INTERVALS } from '@audience-bridge/contracts/analytics.ts'

export type Interval = (typeof INTERVALS)[number]

const HOUR = 3_600_000
const DAY = 24 * HOUR

export const STEP_MS: Record<Interval, number> = {
  minute: 60_000,
  hour: HOUR,
  day: DAY,
  week: 7 * DAY,
}

export const RANGES = [
  { id: '24h', label: '24 h', words: 'last 24 hours', ms: DAY, interval: 'hour' },
  { id: '7d', label: '7 d', words: 'last 7 days', ms: 7 * DAY, interval: 'hour' },
  { id: '30d', label: '30 d', words: 'last 30 days', ms: 30 * DAY, interval: 'day' },
  { id: '60d', label: '60 d', words: 'last 60 days', ms: 60 * DAY, interval: 'day' },
] as const satisfies readonly {
  id: string
  label: string
  words: string
  ms: number
  interval: Interval
}[]

export type Range = (typeof RANGES)[number]

const DEFAULT_RANGE: Range = RANGES[1]

/** The range that a query string names; an unknown one falls back to seven days. */
export function readRange(search: string): Range {
  const id = new URLSearchParams(search).get('range')
  return RANGES.find((range) => range.id === id) ?? DEFAULT_RANGE
}

/** The query string with `range` set, everything else in it kept. */
export function writeRange(search: string, range: Range): string {
  const query = new URLSearchParams(search)
  query.set('range', range.id)
  return `?${query}`
}

/**
 * `from` lies on a boundary of the interval, so that the first bar is a whole one. There is no
 * `to`: the server's default is its own now, which no clock of ours can miss.
 */
export function windowOf(range: Range, now: number): { from: string; interval: Interval } {
  const step = STEP_MS[range.interval]
  const from = Math.floor((now - range.ms) / step) * step
  return { from: new Date(from).toISOString(), interval: range.interval }
}
