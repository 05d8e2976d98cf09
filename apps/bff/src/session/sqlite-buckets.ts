import type { DatabaseSync } from 'node:sqlite'
import type { BucketSpent } from './store.ts'

const SCHEMA = `CREATE TABLE IF NOT EXISTS buckets (
  name TEXT PRIMARY KEY, whole_ms REAL NOT NULL
) STRICT, WITHOUT ROWID`

/** Token buckets of processes that share a SQLite file, by the clock of their machine. */
export interface SqliteBuckets {
  /** Within a transaction. */
  spend(spent: readonly BucketSpent[]): number[]
  /** Deletes up to `limit` that are whole. */
  deleteOld(limit: number): number
}

export function openSqliteBuckets(db: DatabaseSync): SqliteBuckets {
  db.exec(SCHEMA)
  const add = db.prepare(
    `INSERT INTO buckets (name, whole_ms) VALUES (:name, :since + :spentMs)
     ON CONFLICT (name) DO UPDATE SET whole_ms = max(whole_ms, :since) + :spentMs
     RETURNING whole_ms`,
  )
  const trim = db.prepare(
    'DELETE FROM buckets WHERE name IN (SELECT name FROM buckets WHERE whole_ms < ? LIMIT ?)',
  )
  return {
    spend(spent) {
      const now = Date.now()
      return spent.map(({ name, spentMs, ageMs }) => {
        const row = add.get({ name, spentMs, since: now - ageMs })
        return Math.max(0, Number(row?.whole_ms) - now)
      })
    },
    deleteOld: (limit) => Number(trim.run(Date.now(), limit).changes),
  }
}
