import type { Logger } from '@audience-bridge/kit/log.ts'
import { openDatabase } from './sqlite-schema.ts'
import { prepareStatements } from './sqlite-statements.ts'
import type { ListedSession, SessionStore, StoreNews } from './store.ts'

type Row = Record<string, unknown>

/** Sessions in one SQLite file, of one process. */
export function openSqliteStore(path: string, log: Logger): SessionStore {
  const db = openDatabase(path, log)
  const run = prepareStatements(db)
  const listeners = new Set<(news: StoreNews) => void>()
  const tell = (news: StoreNews) => {
    for (const listener of listeners) listener(news)
  }
  /** All or nothing. */
  const together = <T>(body: () => T): T => {
    db.exec('BEGIN IMMEDIATE')
    try {
      const result = body()
      db.exec('COMMIT')
      return result
    } catch (cause) {
      if (db.isTransaction) db.exec('ROLLBACK')
      throw cause
    }
  }

  return {
    hearing: { since: -Infinity, provenAt: Infinity },
    watch(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },

    async readSession(id) {
      const row = run.readSession.get({ id })
      if (row === undefined) return undefined
      return { sealed: row.sealed as Uint8Array, version: Number(row.version), ...timesOf(row) }
    },
    async insertSession(id, { sealed, card, keys, createdAt, seenAt, expiresAt }) {
      together(() => {
        run.insertSession.run({ id, sealed, card, createdAt, seenAt, expiresAt })
        for (const { kind, hash } of keys) run.insertKey.run({ id, kind, hash })
      })
    },
    async replaceSession(id, sealed, version, card) {
      const { changes } = run.replaceSession.run({ id, sealed, version, card: card ?? null })
      if (changes === 1) tell({ kind: 'changed', id })
      return changes === 1
    },
    async touchSession(id, seenAt) {
      run.touchSession.run({ id, seenAt })
    },
    async deleteSession(id, reason, unseenSince) {
      const { changes } = run.deleteSession.run({ id, unseenSince: unseenSince ?? null })
      if (changes === 0) return false
      tell({ kind: 'ended', id, reason })
      return true
    },
    async listSessions(by, { limit, after }) {
      const page = { limit, after: after === undefined ? 0 : Number(after) }
      const rows =
        by === 'all'
          ? run.listSessions.all(page)
          : run.listSessionsByKey.all({ ...page, kind: by.kind, hash: by.hash })
      const sessions = rows.map(listedOf)
      const last = rows.length === limit ? rows.at(-1) : undefined
      return last === undefined ? { sessions } : { sessions, next: String(last.row) }
    },
    async readListed(id) {
      const row = run.readListed.get({ id })
      return row && listedOf(row)
    },
    async countSessions() {
      return Number(run.countSessions.get()?.count)
    },

    async readTokens(id) {
      const rows = run.readTokens.all({ id })
      return new Map(rows.map((row) => [String(row.service), row.sealed as Uint8Array]))
    },
    async writeToken(id, service, sealed, expiresAt, fence) {
      return run.writeToken.run({ id, service, sealed, expiresAt, fence }).changes === 1
    },
    async deleteToken(id, service) {
      run.deleteToken.run({ id, service })
    },

    async acquireLease(id, name, holder, ms) {
      const now = Date.now()
      return together(() => {
        const { changes } = run.acquireLease.run({ id, name, holder, until: now + ms, now })
        if (changes === 1) {
          return { kind: 'held' as const, fence: Number(run.nextFence.get({ id })?.fence) }
        }
        return { kind: run.readSession.get({ id }) === undefined ? 'gone' : 'taken' }
      })
    },
    async renewLease(id, name, holder, ms) {
      const now = Date.now()
      return run.renewLease.run({ id, name, holder, until: now + ms, now }).changes === 1
    },
    async releaseLease(id, name, holder) {
      const { changes } = run.releaseLease.run({ id, name, holder })
      if (changes === 1) tell({ kind: 'released', id, name })
    },

    async insertLogin(id, sealed, expiresAt) {
      run.insertLogin.run({ id, sealed, expiresAt })
    },
    async readLogin(id) {
      const row = run.readLogin.get({ id })
      return row && { sealed: row.sealed as Uint8Array, used: row.used === 1 }
    },
    async useLogin(id) {
      return run.useLogin.run({ id }).changes === 1
    },

    async useOnce(key, expiresAt) {
      const now = Math.floor(Date.now() / 1000)
      return run.useOnce.run({ key, expiresAt, now }).changes === 1
    },

    async readDocument(name) {
      const row = run.readDocument.get({ name })
      return row && { sealed: row.sealed as Uint8Array, version: Number(row.version) }
    },
    async replaceDocument(name, sealed, version) {
      const { changes } =
        version === 0
          ? run.insertDocument.run({ name, sealed })
          : run.replaceDocument.run({ name, sealed, version })
      return changes === 1
    },

    async deleteExpired(now, idleSeconds, limit) {
      const { absolute, idle, others } = together(() => ({
        absolute: run.expireSessions.all({ now, limit }),
        idle: run.expireIdle.all({ unseenSince: now - idleSeconds, limit }),
        others: [run.expireTokens, run.expireLogins, run.expireOnce].reduce(
          (sum, expire) => sum + Number(expire.run({ now, limit }).changes),
          0,
        ),
      }))
      for (const { id } of absolute) tell({ kind: 'ended', id: String(id), reason: 'absolute' })
      for (const { id } of idle) tell({ kind: 'ended', id: String(id), reason: 'idle' })
      return absolute.length + idle.length + others
    },
    async ping() {
      run.ping.get()
    },
    async close() {
      db.close()
    },
  }
}

const timesOf = (row: Row) => ({
  createdAt: Number(row.created_at),
  seenAt: Number(row.seen_at),
  expiresAt: Number(row.expires_at),
})

const listedOf = (row: Row): ListedSession => ({
  id: String(row.id),
  card: row.card as Uint8Array,
  ...timesOf(row),
})
