import { randomBytes } from 'node:crypto'
import { rmSync, statSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { redisOpener } from '@audience-bridge/bff/session/redis-connection.ts'
import { type NewLogin, Sessions } from '@audience-bridge/bff/session/sessions.ts'
import { openDatabase } from '@audience-bridge/bff/session/sqlite-schema.ts'
import type { SessionStore } from '@audience-bridge/bff/session/store.ts'
import { openRedisStore } from '@audience-bridge/bff/session/store-redis.ts'
import { openSqliteStore } from '@audience-bridge/bff/session/store-sqlite.ts'
import type { Cleanup } from '@audience-bridge/testkit/config-copy.ts'
import { captureLog } from '@audience-bridge/testkit/log.ts'
import { startRedis } from '@audience-bridge/testkit/redis.ts'
import { again } from './turns.ts'

const key = randomBytes(32)
const storeKeys = { current: key, all: [key] }
/** So long that nothing ends for it while this runs. */
export const IDLE_SECONDS = 28_800
export const clock = () => Math.floor(Date.now() / 1000)
const limits = () => ({ idleSeconds: IDLE_SECONDS, absoluteSeconds: 28_800 })
/** Nothing can be had from memory. */
export const newSessions = (store: SessionStore) =>
  new Sessions({
    ...{ store, storeKeys, clock, limits, maxBytes: () => 1 },
    observe: { created() {}, ended() {} },
  })

/** As long as those of the demo's IdP. */
const text = (length: number) => randomBytes(length).toString('base64url').slice(0, length)
let logins = 0
export const newLogin = (): NewLogin => {
  const user = `user-${++logins}`
  return {
    user: { sub: user, name: `User ${logins}`, email: `${user}@example.com`, roles: ['reader'] },
    issuer: 'https://idp.example.com/api/oidc',
    sid: text(22),
    frontend: 'default',
    idpSessionExpiresAt: undefined,
    requested: { scopes: ['openid', 'profile', 'email', 'application.all'], resources: [] },
    binding: { agent: text(43), network: text(43) },
    agent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36',
    grant: {
      accessToken: text(900),
      accessExpiresAt: clock() + 300,
      refreshToken: text(43),
      refreshExpiresAt: undefined,
      idToken: text(1000),
      scopes: ['openid', 'profile', 'email', 'application.all', 'offline_access'],
    },
  }
}

export interface Subject {
  readonly store: SessionStore
  /** Copies a session, but for its id and its hashes, and for when it expires. */
  fill(template: string, count: number, expiresAt: number): Promise<void>
  /** What the sessions take. */
  bytes(): Promise<number>
}

export async function sqliteSubject(cleanup: Cleanup): Promise<Subject> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-sessions-'))
  cleanup.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'sessions.sqlite')
  const log = captureLog([])
  let store = openSqliteStore(path, log)
  cleanup.after(() => store.close())
  return {
    get store() {
      return store
    },
    async fill(template, count, expiresAt) {
      await store.close()
      fillSqlite(path, template, count, expiresAt)
      store = openSqliteStore(path, log)
    },
    bytes: async () => statSync(path).size,
  }
}

/**
 * Copies a session of the database at `path`, `undefined`: any; in a hurry, without a journal, and so
 * without anybody else.
 */
export function fillSqlite(
  path: string,
  template: string | undefined,
  count: number,
  expiresAt: number,
): void {
  const db = openDatabase(path, captureLog([]))
  const from = template === undefined ? '(SELECT min(id) FROM sessions)' : `'${template}'`
  db.exec(`
    PRAGMA journal_mode = DELETE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000;
    BEGIN;
    CREATE TEMP TABLE last AS SELECT max(row) AS row, ${from} AS template FROM sessions;
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    INSERT INTO sessions (id, sealed, card, version, fence, created_at, seen_at, expires_at)
    SELECT lower(hex(randomblob(32))), sealed, card, version, fence, created_at,
      seen_at - abs(random() % 900), ${expiresAt} - abs(random() % 20)
    FROM n, sessions WHERE id = (SELECT template FROM last);
    INSERT INTO session_keys
    SELECT kind, lower(hex(randomblob(32))), sessions.row FROM sessions, session_keys
    WHERE sessions.row > (SELECT row FROM last)
      AND session = (SELECT row FROM sessions WHERE id = (SELECT template FROM last));
    COMMIT`)
  db.close()
}

const COPY = `
local from = 'bff:session:{' .. ARGV[1] .. '}'
local keys = redis.call('HGET', from, 'keys')
for i = 1, tonumber(ARGV[2]) do
  local first = redis.sha1hex(ARGV[3] .. i)
  local id = first .. string.sub(redis.sha1hex(first), 1, 24)
  local at = tonumber(ARGV[4]) - i % 20
  local own = string.gsub(keys, '{(%x+)}', function(part)
    if #part == 2 then return '{' .. string.sub(id, 1, 2) .. '}' end
    return '{' .. string.sub(redis.sha1hex(part .. id) .. first, 1, 64) .. '}'
  end)
  local to = 'bff:session:{' .. id .. '}'
  redis.call('COPY', from, to)
  redis.call('HSET', to, 'keys', own, 'expires_at', at)
  redis.call('EXPIREAT', to, at)
  for key in string.gmatch(own, '%S+') do
    redis.call('ZADD', key, at, id)
    if string.sub(key, 1, 8) ~= 'bff:all:' then redis.call('EXPIREAT', key, at) end
  end
end`

export async function redisSubject(cleanup: Cleanup): Promise<Subject> {
  const redis = await startRedis(cleanup, ['auto-aof-rewrite-percentage 0'])
  const { url, seeds, password } = redis
  const address = {
    ...{ url, seeds, password, cluster: false },
    ...{ ca: undefined, sentinelMaster: undefined, sentinelPassword: undefined },
  }
  const store = openRedisStore(address, captureLog([]))
  cleanup.after(() => store.close())
  await again(() => store.ping())
  const admin = { ...address, url: url.replace('bff@', 'admin@'), password: 'admin' }
  return {
    store,
    async fill(template, count, expiresAt) {
      for (let at = 0; at < count; at += 10_000) {
        // The same ids again, when a busy machine has let the connection wait for too long.
        await again(async () => {
          const connection = await redisOpener(admin)(() => {})
          for (let some = at; some < Math.min(at + 10_000, count); some += 100) {
            const values = [template, '100', `${expiresAt}/${some}/`, String(expiresAt)]
            await connection.send('', ['EVAL', COPY, '0', ...values])
          }
          connection.close()
        })
      }
    },
    bytes: async () =>
      Number(/used_memory:(\d+)/.exec(await redis.cli('info', 'memory'))?.[1] ?? Number.NaN),
  }
}
