import { EDGE_CACHED } from './edge.ts'
import type { Figure, Result } from './result.ts'

interface Goal {
  figure: Figure
  /** Whose figure ours is a multiple of; undefined: the figure itself counts. */
  peer: string | undefined
  at: 'least' | 'most'
  bound: number
  /** Whose; undefined: the product alone. */
  own?: string
}

export const OURS = 'Audience Bridge'
const PLAIN = 'nginx proxy_pass'

/** What the gateway is built to reach on one core. */
const GOALS: readonly Goal[] = [
  { figure: 'requests_per_second', peer: PLAIN, at: 'least', bound: 0.8 },
  { figure: 'requests_per_second', peer: 'nginx + Lua', at: 'least', bound: 0.8 },
  { figure: 'requests_per_second', peer: 'nginx + auth_request', at: 'least', bound: 2.5 },
  { figure: 'requests_per_second', peer: 'Apache', at: 'least', bound: 6 },
  { figure: 'requests_per_second', peer: 'Fastify', at: 'least', bound: 5 },
  { figure: 'requests_per_second', peer: 'Express', at: 'least', bound: 10 },
  { figure: 'cpu_us_per_request', peer: PLAIN, at: 'most', bound: 1.33 },
  { figure: 'half_load_p99_us', peer: PLAIN, at: 'most', bound: 1.5 },
  { figure: 'download_mb_per_second', peer: PLAIN, at: 'least', bound: 0.8 },
  { figure: 'upload_mb_per_second', peer: PLAIN, at: 'least', bound: 0.8 },
  { figure: 'rss_mb_1000_idle', peer: undefined, at: 'most', bound: 140 },
  { figure: 'kb_per_further_connection', peer: undefined, at: 'most', bound: 15 },
  {
    ...{ figure: 'requests_per_second', peer: PLAIN, at: 'least', bound: 0.75 },
    own: EDGE_CACHED,
  },
]

/** What further workers may cost and must bring; the latter only where each has a core. */
const workerGoals = (workers: string, cores: number): Goal[] => [
  { figure: 'cpu_us_per_request', peer: OURS, at: 'most', bound: 1.1, own: workers },
  ...(cores < 4
    ? []
    : [
        {
          ...({ figure: 'requests_per_second', peer: OURS, at: 'least' } as const),
          ...{ bound: 1.8, own: workers },
        },
      ]),
]

export interface Judgement {
  goal: string
  measured: number
  met: boolean
}

/** Every turn's figure of ours is compared with the peer's of the same round. */
export function judgeGoals(
  results: readonly Result[],
  ratio: (figure: Figure, own: Result, peer: Result) => number,
  cores: number,
): Judgement[] {
  const workers = results.find(({ name }) => /^Audience Bridge, \d+ workers$/.test(name))
  const goals = [...GOALS, ...(workers === undefined ? [] : workerGoals(workers.name, cores))]
  return goals.flatMap(({ figure, peer, at, bound, own = OURS }) => {
    const us = results.find(({ name }) => name === own)
    const them = results.find(({ name }) => peer !== undefined && name.startsWith(peer))
    if (us === undefined || (peer !== undefined && them === undefined)) return []
    const measured = them === undefined ? us[figure] : ratio(figure, us, them)
    if (measured === undefined || Number.isNaN(measured)) return []
    const who = own === OURS ? '' : `${own}: `
    const of = peer === undefined ? '' : ` × ${peer}`
    return {
      goal: `${who}${figure.replaceAll('_', ' ')} ${at === 'least' ? '≥' : '≤'} ${bound}${of}`,
      measured: Math.round(measured * 100) / 100,
      met: at === 'least' ? measured >= bound : measured <= bound,
    }
  })
}
