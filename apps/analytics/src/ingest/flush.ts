import type { Logger } from '@audience-bridge/kit/log.ts'
import { type Engine, EngineError } from '../engine/engine.ts'
import type { EventRow } from './row.ts'

/*
 * Group commit. Every insert makes a part on disk that must be merged later, and a thousand small
 * parts stop a column store; so whatever arrives while one insert runs goes into the next one, and a
 * new insert starts no sooner than 50 ms after the last began. One insert at a time also makes the
 * check "is this event known?" exact: nothing can slip in between the look and the write. A caller
 * is answered only when its own rows are on disk. The queue is bounded: at 50,000 rows (tens of
 * megabytes) callers are told to come back.
 */

const GROUP_ROWS = 20_000
const QUEUE_ROWS = 50_000
const PACE_MS = 50

export interface Written {
  accepted: number
  /** Known by (source, id) before, or earlier in the same batch. */
  duplicates: number
}

export interface EventWriter {
  /**
   * Stores the rows that are new. Whole or not at all.
   *
   * @throws EngineError `busy` when the queue is full, `failed` when the store failed.
   */
  write(rows: readonly EventRow[]): Promise<Written>
  /** Refuses new rows and waits until those taken are stored. */
  drain(): Promise<void>
}

interface Waiting {
  rows: readonly EventRow[]
  resolve: (written: Written) => void
  reject: (cause: unknown) => void
}

export function createEventWriter(engine: Engine, log: Logger): EventWriter {
  let queue: Waiting[] = []
  let queuedRows = 0
  let working: Promise<void> | undefined
  let closed = false

  function takeGroup(): Waiting[] {
    const group: Waiting[] = []
    let rows = 0
    for (const waiting of queue) {
      if (group.length > 0 && rows + waiting.rows.length > GROUP_ROWS) break
      group.push(waiting)
      rows += waiting.rows.length
    }
    queue = queue.slice(group.length)
    queuedRows -= rows
    return group
  }

  async function commit(group: readonly Waiting[]): Promise<Written[]> {
    const seen = await knownKeys(
      engine,
      group.flatMap(({ rows }) => rows.map(({ key }) => key)),
    )
    const fresh: EventRow[] = []
    const results = group.map(({ rows }) => {
      const before = fresh.length
      for (const row of rows) {
        if (seen.has(row.key)) continue
        seen.add(row.key)
        fresh.push(row)
      }
      const accepted = fresh.length - before
      return { accepted, duplicates: rows.length - accepted }
    })
    await engine.insert('events', fresh)
    return results
  }

  async function commitOrSplit(group: readonly Waiting[]): Promise<void> {
    try {
      const results = await commit(group)
      for (const [i, waiting] of group.entries()) {
        waiting.resolve(results[i] ?? { accepted: 0, duplicates: 0 })
      }
    } catch (cause) {
      const [only] = group
      if (group.length === 1 && only !== undefined) {
        log.error({ err: cause, rows: only.rows.length }, 'batch not stored')
        only.reject(cause)
        return
      }
      // One batch that the store cannot take must not fail those that happen to share its group.
      for (const waiting of group) await commitOrSplit([waiting])
    }
  }

  async function work(): Promise<void> {
    while (queue.length > 0) {
      const paced = new Promise((resolve) => setTimeout(resolve, closed ? 0 : PACE_MS))
      await commitOrSplit(takeGroup())
      if (queuedRows < GROUP_ROWS) await paced
    }
    working = undefined
  }

  return {
    write(rows) {
      if (rows.length === 0) return Promise.resolve({ accepted: 0, duplicates: 0 })
      if (closed) return Promise.reject(new EngineError('busy', 'stopping; send it again later'))
      if (queuedRows + rows.length > QUEUE_ROWS) {
        return Promise.reject(new EngineError('busy', 'too many events wait to be stored'))
      }
      return new Promise((resolve, reject) => {
        queue.push({ rows, resolve, reject })
        queuedRows += rows.length
        working ??= work()
      })
    },
    async drain() {
      closed = true
      await working
    },
  }
}

/** Keys in one look-up: bounded, because they travel as one parameter. */
const LOOKUP_KEYS = 5000

async function knownKeys(engine: Engine, keys: readonly string[]): Promise<Set<string>> {
  const known = new Set<string>()
  for (let from = 0; from < keys.length; from += LOOKUP_KEYS) {
    const rows = await engine.query<{ known_key: string }>(
      'SELECT toString(key) AS known_key FROM events WHERE key IN {keys: Array(UInt128)}',
      { keys: keys.slice(from, from + LOOKUP_KEYS).map(BigInt) },
    )
    for (const { known_key } of rows) known.add(known_key)
  }
  return known
}
