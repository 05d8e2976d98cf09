import { setImmediate } from 'node:timers/promises'
import type { ClickHouseClient, ClickHouseSettings } from '@clickhouse/client'
import { type Engine, EngineError } from './engine.ts'

/*
 * The engine over one client for writing and a few for reading. The queries of one embedded client
 * run one after another, so reads go to the reader with the shortest queue and never wait for a
 * write. Each embedded query that runs holds one of libuv's four threads; with two readers and one
 * writer a thread is left for DNS, files and signature checks.
 */

const READ_SECONDS = 10
const WRITE_SECONDS = 60
/** Reads that may wait for each reader; beyond it, saying so is better than waiting. */
const MAX_WAITING = 32
/** ClickHouse's TIMEOUT_EXCEEDED. */
const TIMEOUT_CODE = '159'

export interface ClientEngineOptions {
  writer: ClickHouseClient
  readers: readonly ClickHouseClient[]
  /** Further settings of every read. */
  readSettings?: ClickHouseSettings
  /** Runs after the clients are closed. */
  release?: () => Promise<void>
}

export function createClientEngine(options: ClientEngineOptions): Engine {
  const readers = options.readers.map((client) => ({ client, waiting: 0 }))
  const running = new Set<Promise<unknown>>()
  let closed = false

  async function tracked<T>(work: () => Promise<T>): Promise<T> {
    if (closed) throw new EngineError('failed', 'the store is closed')
    const run = work()
    running.add(run)
    try {
      return await run
    } catch (cause) {
      if (cause instanceof EngineError) throw cause
      // By code, not by class: the embedded engine and the client have an error class each.
      if ((cause as { code?: unknown }).code === TIMEOUT_CODE) {
        throw new EngineError('slow', 'the query took too long', cause)
      }
      throw new EngineError('failed', 'the store failed', cause)
    } finally {
      running.delete(run)
    }
  }

  return {
    query<Row>(sql: string, params = {}) {
      return tracked(async () => {
        const reader = readers.reduce((a, b) => (b.waiting < a.waiting ? b : a))
        if (reader.waiting >= MAX_WAITING) throw new EngineError('busy', 'too many queries wait')
        reader.waiting += 1
        try {
          const answer = await reader.client.query({
            query: sql,
            query_params: { ...params },
            format: 'JSONEachRow',
            clickhouse_settings: {
              max_execution_time: READ_SECONDS,
              output_format_json_quote_64bit_integers: 1,
              ...options.readSettings,
            },
          })
          return await parseRows<Row>(await answer.text())
        } finally {
          reader.waiting -= 1
        }
      })
    },
    insert(table, rows) {
      return tracked(async () => {
        if (rows.length === 0) return
        await options.writer.insert({
          table,
          values: rows,
          format: 'JSONEachRow',
          clickhouse_settings: { max_execution_time: WRITE_SECONDS },
        })
      })
    },
    command(sql) {
      return tracked(async () => {
        await options.writer.command({ query: sql })
      })
    },
    async close() {
      closed = true
      await Promise.allSettled(running)
      for (const client of [options.writer, ...options.readers]) await client.close()
      await options.release?.()
    },
  }
}

/** Rows parsed between two turns of the event loop: about 10 ms. */
const SLICE = 4000

/** One JSON object a line. In one go, a hundred thousand of them would stop the process for 0.4 s. */
async function parseRows<Row>(text: string): Promise<Row[]> {
  const rows: Row[] = []
  let start = 0
  while (start < text.length) {
    const end = text.indexOf('\n', start)
    const stop = end === -1 ? text.length : end
    if (stop > start) rows.push(JSON.parse(text.slice(start, stop)))
    start = stop + 1
    if (rows.length % SLICE === SLICE - 1) await setImmediate()
  }
  return rows
}
