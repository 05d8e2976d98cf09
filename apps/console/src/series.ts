import { type Interval, STEP_MS } from './range.ts'

/** A chart drops its oldest buckets above this; a wrong clock must not freeze the page. */
const MAX_BUCKETS = 2_000

/**
 * One entry for every interval of the window, in order, so that a quiet hour shows as a gap and
 * not as a shorter axis. Rows off the grid are kept where they belong.
 */
export function fillBuckets<T extends { start: string }>(
  rows: readonly T[],
  window: { from: string; to: string; interval: Interval },
  empty: (start: string) => T,
): T[] {
  const step = STEP_MS[window.interval]
  const byStart = new Map(rows.map((row) => [Date.parse(row.start), row]))
  const to = Date.parse(window.to)

  // Rows tell where the server puts its boundaries; weeks do not start at the epoch.
  const anchor = rows[0] === undefined ? 0 : Date.parse(rows[0].start)
  const first = Math.max(Date.parse(window.from), to - MAX_BUCKETS * step)
  for (let at = anchor + Math.floor((first - anchor) / step) * step; at < to; at += step) {
    if (!byStart.has(at)) byStart.set(at, empty(new Date(at).toISOString()))
  }
  return [...byStart].sort(([a], [b]) => a - b).map(([, row]) => row)
}
