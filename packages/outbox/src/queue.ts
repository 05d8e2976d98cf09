import { closeSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/**
 * The part of the outbox that is on disk. A row is a chunk: the events of one write, already joined
 * as JSON text, so that a write costs one INSERT however many events it holds and reading costs no
 * parsing. The file is locked for as long as it is open: two processes that send from one queue
 * would each delete what the other has not sent. `kill -9` frees the lock.
 */

export interface Chunk {
  readonly events: number
  /** The events as JSON, joined by commas, without the brackets. */
  readonly body: string
}

export interface Batch {
  /** Every chunk up to this one is in the batch. */
  readonly lastSeq: number
  readonly events: number
  /** A JSON array of CloudEvents. */
  readonly body: string
}

export interface DiskQueue {
  /** In one transaction. Returns how many old events had to go to stay within `maxBytes`. */
  append(chunks: readonly Chunk[]): number
  /** The oldest chunks that fit, at least one; nothing is removed. */
  peek(maxEvents: number, maxBytes: number): Batch | undefined
  /** Forgets every chunk up to `lastSeq`. */
  remove(lastSeq: number): void
  /** What is on disk now. */
  size(): { events: number; bytes: number }
  close(): void
}

const SQLITE_BUSY = 5
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

const SCHEMA = `CREATE TABLE IF NOT EXISTS chunks (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  events INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT`

/**
 * @param onCorrupt told where an unreadable queue was put aside: telemetry must not refuse a start.
 * @throws Error naming the path when another process has it, or it cannot be written.
 */
export function openQueue(
  path: string,
  maxBytes: number,
  onCorrupt: (asidePath: string) => void,
): DiskQueue {
  const db = openDatabase(path, onCorrupt)
  const insert = db.prepare('INSERT INTO chunks (events, bytes, body) VALUES (?, ?, ?)')
  const oldest = db.prepare('SELECT seq, events, bytes FROM chunks ORDER BY seq LIMIT 1')
  const next = db.prepare('SELECT seq, events, bytes, body FROM chunks ORDER BY seq')
  const sumUpTo = db.prepare(
    'SELECT coalesce(sum(events), 0) AS events, coalesce(sum(bytes), 0) AS bytes FROM chunks WHERE seq <= ?',
  )
  const deleteUpTo = db.prepare('DELETE FROM chunks WHERE seq <= ?')

  let { events, bytes } = numbers(sumUpTo.get(Number.MAX_SAFE_INTEGER))

  const removeUpTo = (seq: number): number => {
    const gone = numbers(sumUpTo.get(seq))
    deleteUpTo.run(seq)
    events -= gone.events
    bytes -= gone.bytes
    return gone.events
  }

  return {
    append(chunks) {
      const before = { events, bytes }
      let dropped = 0
      db.exec('BEGIN')
      try {
        for (const chunk of chunks) {
          const chunkBytes = Buffer.byteLength(chunk.body)
          while (bytes > 0 && bytes + chunkBytes > maxBytes) {
            const first = numbers(oldest.get())
            dropped += removeUpTo(first.seq)
          }
          insert.run(chunk.events, chunkBytes, chunk.body)
          events += chunk.events
          bytes += chunkBytes
        }
        db.exec('COMMIT')
      } catch (cause) {
        // A full disk ends the transaction by itself; another fault leaves it open.
        if (db.isTransaction) db.exec('ROLLBACK')
        events = before.events
        bytes = before.bytes
        throw cause
      }
      return dropped
    },

    peek(maxEvents, maxBatchBytes) {
      const bodies: string[] = []
      let batch = { lastSeq: 0, events: 0, bytes: 0 }
      for (const row of next.iterate()) {
        const chunk = numbers(row)
        const fits =
          batch.events + chunk.events <= maxEvents && batch.bytes + chunk.bytes <= maxBatchBytes
        if (bodies.length > 0 && !fits) break
        bodies.push(String(row.body))
        batch = {
          lastSeq: chunk.seq,
          events: batch.events + chunk.events,
          bytes: batch.bytes + chunk.bytes,
        }
      }
      if (bodies.length === 0) return undefined
      return { lastSeq: batch.lastSeq, events: batch.events, body: `[${bodies.join(',')}]` }
    },

    remove: (lastSeq) => void removeUpTo(lastSeq),
    size: () => ({ events, bytes }),
    close: () => db.close(),
  }
}

function openDatabase(path: string, onCorrupt: (asidePath: string) => void): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  try {
    return openLocked(path)
  } catch (cause) {
    const code = errcode(cause)
    if (code === SQLITE_BUSY) {
      throw new Error(
        `the event queue ${path} is in use by another process; stop it, or give this one a queue of its own`,
        { cause },
      )
    }
    if (code !== SQLITE_CORRUPT && code !== SQLITE_NOTADB) {
      throw new Error(`cannot open the event queue ${path}`, { cause })
    }
    const aside = `${path}.corrupt-${Date.now()}`
    renameSync(path, aside)
    for (const suffix of ['-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true })
    onCorrupt(aside)
    return openLocked(path)
  }
}

function openLocked(path: string): DatabaseSync {
  // Events name people and what they did: the file is the owner's alone, and so are its journals.
  closeSync(openSync(path, 'a', 0o600))
  const db = new DatabaseSync(path)
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE')
    db.exec('PRAGMA journal_mode = WAL')
    // A power cut may cost the last writes, never the file; a killed process costs nothing.
    db.exec('PRAGMA synchronous = NORMAL')
    // Often and little: at the default of 1000 pages one checkpoint holds the event loop for 7 ms.
    db.exec('PRAGMA wal_autocheckpoint = 100')
    db.exec(SCHEMA)
    return db
  } catch (cause) {
    db.close()
    throw cause
  }
}

function errcode(cause: unknown): number | undefined {
  const code = cause instanceof Error && 'errcode' in cause ? Number(cause.errcode) : undefined
  // The low byte is the primary result code.
  return code === undefined ? undefined : code & 0xff
}

function numbers(row: Record<string, unknown> | undefined): {
  seq: number
  events: number
  bytes: number
} {
  return {
    seq: Number(row?.seq ?? 0),
    events: Number(row?.events ?? 0),
    bytes: Number(row?.bytes ?? 0),
  }
}
