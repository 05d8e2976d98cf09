import type { Logger } from '@audience-bridge/kit/log.ts'
import { spendInRedis } from './redis-buckets.ts'
import { type RedisAddress, redisOpener, redisSubscriber } from './redis-connection.ts'
import { addToIndex, countIndex, indexKeys, type RunScript, readIndex } from './redis-index.ts'
import { RedisLink } from './redis-link.ts'
import { NEWS_CHANNEL, RedisNews } from './redis-news.ts'
import * as scripts from './redis-scripts.ts'
import type { ListedSession, SessionStore, StoreNews } from './store.ts'

/*
 * A session is one hash, its service tokens another that goes with the last of them, a login a third;
 * each has an expiry of its own, so that nothing is swept. The braces put all keys of one id into one
 * slot of a cluster.
 */
const sessionKey = (id: string) => `bff:session:{${id}}`
const tokensKey = (id: string) => `bff:tokens:{${id}}`
const loginKey = (id: string) => `bff:login:{${id}}`
const onceKey = (key: string) => `bff:once:{${key}}`
const documentKey = (name: string) => `bff:document:{${name}}`

/** Sessions in a Redis or Valkey (7.0 or newer) that several nodes share. */
export function openRedisStore(address: RedisAddress, log: Logger): SessionStore {
  const link = new RedisLink(redisOpener(address), log)
  const news = new RedisNews(link, redisSubscriber(address), log)
  const run: RunScript = (script, keys, values) =>
    link.send(keys[0], ['EVAL', script, String(keys.length), ...keys, ...values])
  const read = async (key: string, ...fields: string[]) =>
    (await link.send(key, ['HMGET', key, ...fields])) as (Buffer | null)[]

  const readListed = async (id: string): Promise<ListedSession | undefined> => {
    const [card, ...times] = await read(sessionKey(id), 'card', ...TIMES)
    return card ? { id, card, ...timesOf(times) } : undefined
  }

  return {
    hearing: news.hearing,
    watch: (listener) => news.watch(listener),

    async readSession(id) {
      const [sealed, version, ...times] = await read(sessionKey(id), 'sealed', 'version', ...TIMES)
      return sealed ? { sealed, version: Number(version), ...timesOf(times) } : undefined
    },
    async insertSession(id, { sealed, card, keys, createdAt, seenAt, expiresAt }) {
      const listed = indexKeys(id, keys)
      // Before the session: one that is there is found.
      await addToIndex(run, id, listed, expiresAt)
      const fields = Object.entries({
        version: 1,
        created_at: createdAt,
        seen_at: seenAt,
        expires_at: expiresAt,
        keys: listed.join(' '),
      }).flatMap(([name, value]) => [name, String(value)])
      const records = ['sealed', asBuffer(sealed), 'card', asBuffer(card)]
      await run(scripts.INSERT, [sessionKey(id)], [String(expiresAt), ...records, ...fields])
    },
    async replaceSession(id, sealed, version, card) {
      const head = [asBuffer(sealed), String(version), ...changed(id)]
      const values = card === undefined ? head : [...head, asBuffer(card)]
      return (await run(scripts.REPLACE, [sessionKey(id)], values)) === 1
    },
    async touchSession(id, seenAt) {
      await run(scripts.TOUCH, [sessionKey(id)], [String(seenAt)])
    },
    async deleteSession(id, reason, unseenSince) {
      const ended: StoreNews = { kind: 'ended', id, reason }
      const listed = await run(
        scripts.DELETE,
        [sessionKey(id), tokensKey(id)],
        [unseenSince === undefined ? '' : String(unseenSince), NEWS_CHANNEL, JSON.stringify(ended)],
      )
      if (listed === null) return false
      // The subscription may be down.
      news.tell(ended)
      for (const key of String(listed).split(' ')) {
        // What stays there names nothing, and expires.
        link.send(key, ['ZREM', key, id]).catch(() => {})
      }
      return true
    },
    async listSessions(by, page) {
      const { ids, ...rest } = await readIndex(run, by, page)
      const listed = await Promise.all(ids.map(readListed))
      return { sessions: listed.filter((session) => session !== undefined), ...rest }
    },
    readListed,
    countSessions: () => countIndex(run),

    async readTokens(id) {
      const flat = (await link.send(tokensKey(id), ['HGETALL', tokensKey(id)])) as Buffer[]
      const tokens = new Map<string, Uint8Array>()
      for (let at = 0; at < flat.length; at += 2) {
        const [service, sealed] = flat.slice(at)
        if (service && sealed) tokens.set(service.toString(), sealed)
      }
      return tokens
    },
    async writeToken(id, service, sealed, expiresAt, fence) {
      const values = [service, asBuffer(sealed), String(expiresAt), String(fence)]
      return (await run(scripts.WRITE_TOKEN, [sessionKey(id), tokensKey(id)], values)) === 1
    },
    async deleteToken(id, service) {
      await link.send(tokensKey(id), ['HDEL', tokensKey(id), service])
    },

    async acquireLease(id, name, holder, ms) {
      const values = [`lease:${name}`, holder, String(ms)]
      const fence = Number(await run(scripts.ACQUIRE, [sessionKey(id)], values))
      if (fence > 0) return { kind: 'held', fence }
      return { kind: fence < 0 ? 'gone' : 'taken' }
    },
    async renewLease(id, name, holder, ms) {
      const values = [`lease:${name}`, holder, String(ms)]
      return (await run(scripts.RENEW, [sessionKey(id)], values)) === 1
    },
    async releaseLease(id, name, holder) {
      const released: StoreNews = { kind: 'released', id, name }
      const values = [`lease:${name}`, holder, NEWS_CHANNEL, JSON.stringify(released)]
      await run(scripts.RELEASE, [sessionKey(id)], values)
    },

    async insertLogin(id, sealed, expiresAt) {
      const values = [String(expiresAt), 'sealed', asBuffer(sealed)]
      await run(scripts.INSERT, [loginKey(id)], values)
    },
    async readLogin(id) {
      const [sealed, used] = await read(loginKey(id), 'sealed', 'used')
      return sealed ? { sealed, used: used !== null } : undefined
    },
    async useLogin(id) {
      return (await run(scripts.USE_LOGIN, [loginKey(id)], [])) === 1
    },

    async useOnce(key, expiresAt) {
      const name = onceKey(key)
      const command = ['SET', name, '1', 'NX', 'EXAT', String(expiresAt)]
      return (await link.send(name, command)) !== null
    },

    async readDocument(name) {
      const [sealed, version] = await read(documentKey(name), 'sealed', 'version')
      return sealed ? { sealed, version: Number(version) } : undefined
    },
    async replaceDocument(name, sealed, version) {
      const values = [asBuffer(sealed), String(version)]
      return (await run(scripts.REPLACE_DOCUMENT, [documentKey(name)], values)) === 1
    },

    spend: (spent) => spendInRedis(run, spent),

    /** Redis expires by itself. An idle session stays until its hard limit, and is refused all the same. */
    async deleteExpired() {
      return 0
    },
    async ping() {
      const nodes = link.nodes()
      if (nodes.length === 0) await link.send('', ['PING'])
      // A cluster that has lost a node goes on.
      else await Promise.any(nodes.map((node) => link.sendTo(node, ['PING'])))
    },
    async close() {
      news.close()
      link.close()
    },
  }
}

/** The channel and the message that a session's record is another one now. */
const changed = (id: string) => [
  NEWS_CHANNEL,
  JSON.stringify({ kind: 'changed', id } satisfies StoreNews),
]

const TIMES = ['created_at', 'seen_at', 'expires_at']

function timesOf(values: readonly (Buffer | null | undefined)[]) {
  const [createdAt = 0, seenAt = 0, expiresAt = 0] = values.map(Number)
  return { createdAt, seenAt, expiresAt }
}

const asBuffer = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
