import { randomUUID } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import type { StoreHearing, StoreNews } from './store.ts'

/** How often the file is looked at, in milliseconds; a look at a file that nobody wrote to takes microseconds. */
const LOOK_MS = 50
/** News of this age are deleted, in milliseconds; who has not looked for so long finds a gap. */
const KEPT_MS = 60_000

const SCHEMA = `CREATE TABLE IF NOT EXISTS news (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, teller TEXT NOT NULL, at_ms INTEGER NOT NULL,
  kind TEXT NOT NULL, id TEXT NOT NULL, detail TEXT NOT NULL
) STRICT`

/** What the processes that share a SQLite file tell each other. */
export interface SqliteNews {
  readonly hearing: Readonly<StoreHearing>
  /** Within the transaction that it tells of: told if and only if it happened, also by who dies then. */
  write(news: StoreNews): void
  /** Deletes up to `limit` that everybody has heard. */
  deleteOld(limit: number): number
  close(): void
}

/**
 * News are rows beside what they tell of, numbered without gaps. Whoever has read up to a number knows
 * every end that was committed before that look: no message can be lost, and a process that was
 * stopped too long finds that the next number is gone and trusts nothing that it read before.
 */
export function openSqliteNews(db: DatabaseSync, tell: (news: StoreNews) => void): SqliteNews {
  db.exec(SCHEMA)
  const teller = randomUUID()
  const insert = db.prepare(
    'INSERT INTO news (teller, at_ms, kind, id, detail) VALUES (?, ?, ?, ?, ?)',
  )
  const trim = db.prepare(
    'DELETE FROM news WHERE seq IN (SELECT seq FROM news WHERE at_ms < ? ORDER BY seq LIMIT ?)',
  )
  const newer = db.prepare(
    'SELECT seq, teller, kind, id, detail FROM news WHERE seq > ? ORDER BY seq',
  )
  /** Another number after each commit of another connection. */
  const dataVersion = db.prepare('PRAGMA data_version')
  const highest = db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'news'")

  const begun = performance.now()
  const hearing = { since: begun, provenAt: begun }
  let seen: unknown
  let last = Number(highest.get()?.seq ?? 0)

  const look = () => {
    const lookedAt = performance.now()
    const version = dataVersion.get()?.data_version
    if (version !== seen) {
      hear(newer.all(last))
      seen = version
    }
    hearing.provenAt = lookedAt
  }
  const hear = (rows: Record<string, unknown>[]) => {
    const first = Number(rows[0]?.seq ?? Number(highest.get()?.seq ?? 0) + 1)
    // Deleted before we have heard them: what was read until now may have ended.
    if (first > last + 1) hearing.since = performance.now()
    last = first - 1 + rows.length
    for (const row of rows) if (row.teller !== teller) tell(newsOf(row))
  }
  const timer = setInterval(() => {
    try {
      look()
    } catch {
      // Nothing is proven by this look; the next one reads what this one would have.
    }
  }, LOOK_MS)
  timer.unref()

  return {
    hearing,
    write(news) {
      insert.run(teller, Date.now(), news.kind, news.id, detailOf(news))
    },
    deleteOld: (limit) => Number(trim.run(Date.now() - KEPT_MS, limit).changes),
    close: () => clearInterval(timer),
  }
}

function detailOf(news: StoreNews): string {
  if (news.kind === 'ended') return news.reason
  return news.kind === 'released' ? news.name : ''
}

function newsOf(row: Record<string, unknown>): StoreNews {
  const [id, detail] = [String(row.id), String(row.detail)]
  if (row.kind === 'ended') return { kind: 'ended', id, reason: detail }
  return row.kind === 'released' ? { kind: 'released', id, name: detail } : { kind: 'changed', id }
}
