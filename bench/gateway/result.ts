import { median } from '../turns.ts'
import type { Subject } from './subject.ts'

/** What one subject did in one round. */
export interface Turn {
  requests_per_second: number
  cpu_us_per_request: number
  p50_us: number
  p99_us: number
  half_load_p99_us: number
  alone_p50_us: number
  alone_p99_us: number
  download_mb_per_second: number
  upload_mb_per_second: number
}

/** Undefined: it closed the connections meanwhile. */
export interface Memory {
  rss_mb: number
  rss_mb_1000_idle: number | undefined
  kb_per_further_connection: number | undefined
}

/** Medians over the rounds, and the memory in the end. */
export type Result = { name: string } & Turn & Memory
export type Figure = Exclude<keyof Result, 'name'>

export function resultOf({ name }: Subject, turns: readonly Turn[], memory: Memory): Result {
  const of = (figure: keyof Turn) => median(turns.map((turn) => turn[figure]))
  return {
    name,
    requests_per_second: Math.round(of('requests_per_second')),
    cpu_us_per_request: Math.round(of('cpu_us_per_request') * 10) / 10,
    p50_us: of('p50_us'),
    p99_us: of('p99_us'),
    half_load_p99_us: of('half_load_p99_us'),
    alone_p50_us: of('alone_p50_us'),
    alone_p99_us: of('alone_p99_us'),
    download_mb_per_second: Math.round(of('download_mb_per_second')),
    upload_mb_per_second: Math.round(of('upload_mb_per_second')),
    ...memory,
  }
}

/** The median of what ours is to theirs within each round; of a figure without rounds, what it is. */
export function ratioOf(
  figure: Figure,
  [own, peer]: readonly [Result, Result],
  [ours, theirs]: readonly [readonly Turn[], readonly Turn[]],
): number {
  const pairs = ours.flatMap((turn, i) => {
    const other = theirs[i]
    if (other === undefined || !(figure in turn)) return []
    const key = figure as keyof Turn
    return [turn[key] / other[key]]
  })
  return pairs.length > 0
    ? median(pairs)
    : (own[figure] ?? Number.NaN) / (peer[figure] ?? Number.NaN)
}
