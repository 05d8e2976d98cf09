import type { Logger } from '@audience-bridge/kit/log.ts'
import { openSqliteBuckets } from './sqlite-buckets.ts'
import { openSqliteNews } from './sqlite-news.ts'
import { openDatabase } from './sqlite-schema.ts'
import { prepareStatements } from './sqlite-statements.ts'
import type { ListedSession, SessionStore, StoreNews } from './store.ts'

type Row = Record<string, unknown>

/**
 * Sessions in one SQLite file.
 *
 * @param shared several processes of this machine have it open, and tell each other what they do.
 */
export function openSqliteStore(
  path: string,
  log: Logger,
  { shared = false }: { shared?: boolean } = {},
): SessionStore {
  const db = openDatabase(path, log)
  const run = prepareStatements(db)
  const listeners = new Set<(news: StoreNews) => void>()
  const tell = (news: StoreNews) => {
    for (const listener of listeners) listener(news)
  }
  const news = shared ? openSqliteNews(db, tell) : undefined
  const buckets = shared ? openSqliteBuckets(db) : undefined
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
  /** Does it, if it does something, and tells everybody. */
  const telling = (change: () => { changes: number | bigint }, what: StoreNews): boolean => {
    const changed =
      news === undefined
        ? change().changes === 1
        : together(() => {
            const { changes } = change()
            if (changes === 1) news.write(what)
            return changes === 1
          })
    if (changed) tell(what)
    return changed
  }

  return {
    hearing: news?.hearing ?? { since: -Infinity, provenAt: Infinity },
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
      const row = { id, sealed, version, card: card ?? null }
      return telling(() => run.replaceSession.run(row), { kind: 'changed', id })
    },
    async touchSession(id, seenAt) {
      run.touchSession.run({ id, seenAt })
    },
    async deleteSession(id, reason, unseenSince) {
      const row = { id, unseenSince: unseenSince ?? null }
      return telling(() => run.deleteSession.run(row), { kind: 'ended', id, reason })
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
      telling(() => run.releaseLease.run({ id, name, holder }), { kind: 'released', id, name })
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

    ...(buckets && { spend: async (spent) => together(() => buckets.spend(spent)) }),

    async deleteExpired(now, idleSeconds, limit) {
      const { ended, others } = together(() => {
        const absolute = run.expireSessions.all({ now, limit }).map(endedBy('absolute'))
        const idle = run.expireIdle.all({ unseenSince: now - idleSeconds, limit })
        const all = [...absolute, ...idle.map(endedBy('idle'))]
        for (const end of all) news?.write(end)
        const rest = [run.expireTokens, run.expireLogins, run.expireOnce].reduce(
          (sum, expire) => sum + Number(expire.run({ now, limit }).changes),
          (news?.deleteOld(limit) ?? 0) + (buckets?.deleteOld(limit) ?? 0),
        )
        return { ended: all, others: rest }
      })
      for (const end of ended) tell(end)
      return ended.length + others
    },
    async ping() {
      run.ping.get()
    },
    async close() {
      news?.close()
      db.close()
    },
  }
}

const endedBy =
  (reason: string) =>
  (row: Row): StoreNews => ({ kind: 'ended', id: String(row.id), reason })

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
