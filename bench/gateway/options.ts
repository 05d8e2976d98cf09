import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { has } from './process.ts'

export interface Options {
  rounds: number
  seconds: number
  sessions: number
  /** Names of subjects, each by a part of it; none: all that `peers` says. */
  only: readonly string[]
  peers: 'all' | 'nginx'
  workers: number
  quick: boolean
  strict: boolean
  /** Whether the figures go into docs/performance.md. */
  publish: boolean
}

const HELP = `
  --rounds N       turns that everybody gets
  --seconds N      of load in each turn
  --sessions N     users who call in turn
  --only A,B       subjects whose names contain A or B (Audience Bridge always runs)
  --peers all|nginx
  --workers N      one more subject: Audience Bridge with server.workers: N
  --quick          a rough look: one round of one second
  --strict         exit 1 when a goal is missed
UPDATE_DOCS=1 writes the figures into docs/performance.md.
`

/** From the command line; says what is wrong with it, or with the machine, and ends. */
export function readOptions(defaults: { rounds: number; seconds: number }): Options {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  const known = {
    ...{ rounds: text, seconds: text, sessions: text, only: text, peers: text, workers: text },
    ...{ quick: flag, strict: flag, help: flag },
  }
  let values: ReturnType<typeof parseArgs<{ options: typeof known }>>['values']
  try {
    values = parseArgs({ options: known }).values
  } catch (cause) {
    return leave(`${cause instanceof Error ? cause.message : cause}\n${HELP}`)
  }
  if (values.help) return leave(HELP)
  if (!has('taskset') || availableParallelism() < 2)
    return leave('two cores and taskset are needed (Debian: util-linux)\n')
  const { quick, strict, only = '', peers = 'all' } = values
  const number = (given: string | undefined, fallback: number): number => {
    const value = Number(given ?? fallback)
    return value > 0 ? value : leave(`${given} is not a number above 0\n${HELP}`)
  }
  if (peers !== 'all' && peers !== 'nginx') return leave(`--peers all or nginx\n${HELP}`)
  return {
    rounds: number(values.rounds, quick ? 1 : defaults.rounds),
    seconds: number(values.seconds, quick ? 1 : defaults.seconds),
    sessions: number(values.sessions, quick ? 20 : 100),
    only: only.split(',').filter(Boolean),
    workers: number(values.workers, 1),
    publish: process.env.UPDATE_DOCS === '1',
    ...{ peers, quick, strict },
  }
}

function leave(why: string): never {
  process.stderr.write(why)
  process.exit(why === HELP ? 0 : 1)
}
