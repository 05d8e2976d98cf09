import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Observation } from '@audience-bridge/chain/observation.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import type { FailureCount, TraceStore } from './trace-store.ts'

const MIB = 1024 * 1024

/** What is kept of each kind: by bytes, and for failures of users by age too. */
const BOUNDS = {
  /** Answered below 400. */
  fine: { bytes: 16 * MIB, seconds: 86_400 },
  /** Failed, with a session. */
  failed: { bytes: 64 * MIB, seconds: 86_400 },
  /** Failed, without one: anybody can make these. */
  anonymous: { bytes: 4 * MIB, seconds: 86_400 },
} as const
type Kind = keyof typeof BOUNDS

const SCHEMA = `
CREATE TABLE IF NOT EXISTS traces (
  seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL,
  bytes INTEGER NOT NULL, record TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS traces_id ON traces (id);
CREATE INDEX IF NOT EXISTS traces_kind ON traces (kind, seq, bytes);
CREATE TABLE IF NOT EXISTS failure_counts (
  problem TEXT NOT NULL, method TEXT NOT NULL, route TEXT NOT NULL, status INTEGER NOT NULL,
  count INTEGER NOT NULL, first_at TEXT NOT NULL, last_at TEXT NOT NULL, last_id TEXT NOT NULL,
  PRIMARY KEY (problem, method, route, status)
) STRICT, WITHOUT ROWID;
`

const WRITE_MS = 200
const MAX_BUFFERED = 2_000
/** Of requests that went well: 100 a second are enough to look at, and leave room for the others. */
const FINE_A_WRITE = 20
/** As many at once while it was quiet before. */
const MAX_FINE = 200
/** After this many bytes written, what exceeds the bounds is deleted. */
const TRIM_EVERY_BYTES = MIB
const MAX_FOUND = 20

/**
 * Observations in one SQLite file, which several processes may share. A request costs one push onto
 * an array; five times a second the array is written in one transaction (about 5 µs a request).
 */
export function openSqliteTraces(path: string, log: Logger): TraceStore {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const db = new DatabaseSync(path)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 1000')
  db.exec(SCHEMA)
  const insert = db.prepare(
    'INSERT INTO traces (kind, id, at, bytes, record) VALUES (?, ?, ?, ?, ?)',
  )
  const count = db.prepare(
    `INSERT INTO failure_counts VALUES (?, ?, ?, ?, 1, ?, ?, ?) ON CONFLICT DO UPDATE SET
       count = count + 1, last_at = excluded.last_at, last_id = excluded.last_id`,
  )
  const find = db.prepare('SELECT record FROM traces WHERE id = ? ORDER BY seq DESC LIMIT ?')
  const recent = db.prepare(
    `SELECT record FROM traces WHERE kind IN (SELECT value FROM json_each(?))
     ORDER BY seq DESC LIMIT ?`,
  )
  const counts = db.prepare('SELECT * FROM failure_counts ORDER BY last_at DESC LIMIT ?')
  const expire = db.prepare('DELETE FROM traces WHERE kind = ? AND at < ?')
  const trim = db.prepare(
    `DELETE FROM traces WHERE kind = ? AND seq <= (
       SELECT seq FROM (
         SELECT seq, sum(bytes) OVER (ORDER BY seq DESC) AS newer FROM traces WHERE kind = ?
       ) WHERE newer > ? ORDER BY seq DESC LIMIT 1)`,
  )

  let buffer: Observation[] = []
  let fineRoom = MAX_FINE
  let lost = 0
  let sinceTrim = 0

  const write = () => {
    if (buffer.length === 0) return
    const batch = buffer
    buffer = []
    try {
      db.exec('BEGIN IMMEDIATE')
      for (const observation of batch) writeOne(observation)
      db.exec('COMMIT')
    } catch (cause) {
      // Explanations are a help: losing some must never cost a request.
      lost += batch.length
      if (db.isTransaction) db.exec('ROLLBACK')
      log.warn({ err: cause, lost }, 'traces could not be written')
    }
    if (sinceTrim >= TRIM_EVERY_BYTES) trimAll()
  }
  const writeOne = (observation: Observation) => {
    const record = JSON.stringify(observation)
    const kind = kindOf(observation)
    sinceTrim += record.length
    insert.run(kind, observation.id, Date.parse(observation.at), record.length, record)
    if (kind !== 'anonymous') return
    const { problem = '', method, route = '', status, at, id } = observation
    // Only methods that exist: an attacker's inventions would each make a row.
    count.run(problem, /^[A-Z]{3,7}$/.test(method) ? method : '', route, status, at, at, id)
  }
  const trimAll = () => {
    sinceTrim = 0
    for (const [kind, bound] of Object.entries(BOUNDS)) {
      expire.run(kind, Date.now() - bound.seconds * 1000)
      trim.run(kind, kind, bound.bytes)
    }
  }
  const timer = setInterval(() => {
    fineRoom = Math.min(MAX_FINE, fineRoom + FINE_A_WRITE)
    write()
  }, WRITE_MS)
  timer.unref()

  return {
    hasRoom(status) {
      return buffer.length < MAX_BUFFERED && (status >= 400 || fineRoom > 0)
    },
    record(observation) {
      if (observation.status < 400) fineRoom--
      if (buffer.length < MAX_BUFFERED) buffer.push(observation)
      else lost++
    },
    async find(id) {
      write()
      const found = find.all(id, MAX_FOUND)
      if (found.length > 0) return found.map(readRecord)
      // Another process may have seen it a moment ago, and not written it yet.
      await new Promise((resolve) => setTimeout(resolve, WRITE_MS * 1.25))
      return find.all(id, MAX_FOUND).map(readRecord)
    },
    async recent({ failed, limit }) {
      write()
      const kinds: Kind[] = failed ? ['failed', 'anonymous'] : ['fine', 'failed', 'anonymous']
      return recent.all(JSON.stringify(kinds), limit).map(readRecord)
    },
    async failureCounts(limit) {
      write()
      return counts.all(limit).map((row) => ({ ...row }) as unknown as FailureCount)
    },
    async close() {
      clearInterval(timer)
      write()
      db.close()
    },
  }
}

function kindOf({ status, session }: Observation): Kind {
  if (status < 400) return 'fine'
  return session?.subject === undefined ? 'anonymous' : 'failed'
}

const readRecord = (row: Record<string, unknown>) => JSON.parse(String(row.record)) as Observation
