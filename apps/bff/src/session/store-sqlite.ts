import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { SessionStore } from './store.ts'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS sessions (
  id TEXT PRIMARY KEY, sealed BLOB NOT NULL, version INTEGER NOT NULL,
  created_at INTEGER NOT NULL, seen_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sessions_expiry ON sessions (expires_at);
CREATE INDEX IF NOT EXISTS sessions_seen ON sessions (seen_at);
CREATE TABLE IF NOT EXISTS tokens (
  session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE, service TEXT NOT NULL,
  sealed BLOB NOT NULL, expires_at INTEGER NOT NULL, PRIMARY KEY (session_id, service)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tokens_expiry ON tokens (expires_at);
CREATE TABLE IF NOT EXISTS logins (
  id TEXT PRIMARY KEY, sealed BLOB NOT NULL, used INTEGER NOT NULL, expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS logins_expiry ON logins (expires_at);
`

/** Sessions in one SQLite file: survives restarts and `kill -9` (WAL, synced at checkpoints). */
export function openSqliteStore(path: string): SessionStore {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const db = new DatabaseSync(path)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 500')
  db.exec(SCHEMA)

  const readSession = db.prepare(
    'SELECT sealed, version, created_at, seen_at, expires_at FROM sessions WHERE id = ?',
  )
  const insertSession = db.prepare('INSERT INTO sessions VALUES (?, ?, 1, ?, ?, ?)')
  const replaceSession = db.prepare(
    'UPDATE sessions SET sealed = ?, version = version + 1 WHERE id = ? AND version = ?',
  )
  const touchSession = db.prepare('UPDATE sessions SET seen_at = max(seen_at, ?) WHERE id = ?')
  const deleteSession = db.prepare('DELETE FROM sessions WHERE id = ?')
  const readTokens = db.prepare('SELECT service, sealed FROM tokens WHERE session_id = ?')
  const writeToken = db.prepare(
    `INSERT INTO tokens SELECT id, ?, ?, ? FROM sessions WHERE id = ?
     ON CONFLICT DO UPDATE SET sealed = excluded.sealed, expires_at = excluded.expires_at`,
  )
  const deleteToken = db.prepare('DELETE FROM tokens WHERE session_id = ? AND service = ?')
  const insertLogin = db.prepare('INSERT INTO logins VALUES (?, ?, 0, ?)')
  const readLogin = db.prepare('SELECT sealed, used FROM logins WHERE id = ?')
  const useLogin = db.prepare('UPDATE logins SET used = 1 WHERE id = ? AND used = 0')
  const expire = [
    `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= $now LIMIT $limit)`,
    `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE seen_at <= $now - $idle LIMIT $limit)`,
    `DELETE FROM tokens WHERE (session_id, service) IN
       (SELECT session_id, service FROM tokens WHERE expires_at <= $now LIMIT $limit)`,
    `DELETE FROM logins WHERE id IN (SELECT id FROM logins WHERE expires_at <= $now LIMIT $limit)`,
  ].map((sql) => {
    const statement = db.prepare(sql)
    statement.setAllowUnknownNamedParameters(true)
    return statement
  })

  return {
    shared: false,
    async readSession(id) {
      const row = readSession.get(id)
      if (row === undefined) return undefined
      return {
        sealed: row.sealed as Uint8Array,
        version: Number(row.version),
        createdAt: Number(row.created_at),
        seenAt: Number(row.seen_at),
        expiresAt: Number(row.expires_at),
      }
    },
    async insertSession(id, session) {
      insertSession.run(id, session.sealed, session.createdAt, session.seenAt, session.expiresAt)
    },
    async replaceSession(id, sealed, version) {
      return replaceSession.run(sealed, id, version).changes === 1
    },
    async touchSession(id, seenAt) {
      touchSession.run(seenAt, id)
    },
    async deleteSession(id) {
      deleteSession.run(id)
    },
    async readTokens(id) {
      return new Map(
        readTokens.all(id).map((row) => [String(row.service), row.sealed as Uint8Array]),
      )
    },
    async writeToken(id, service, sealed, expiresAt) {
      writeToken.run(service, sealed, expiresAt, id)
    },
    async deleteToken(id, service) {
      deleteToken.run(id, service)
    },
    async insertLogin(id, sealed, expiresAt) {
      insertLogin.run(id, sealed, expiresAt)
    },
    async readLogin(id) {
      const row = readLogin.get(id)
      return row && { sealed: row.sealed as Uint8Array, used: row.used === 1 }
    },
    async useLogin(id) {
      return useLogin.run(id).changes === 1
    },
    async deleteExpired(now, idleSeconds, limit) {
      let deleted = 0
      for (const statement of expire) {
        deleted += Number(statement.run({ now, idle: idleSeconds, limit }).changes)
      }
      return deleted
    },
    async close() {
      db.close()
    },
  }
}
