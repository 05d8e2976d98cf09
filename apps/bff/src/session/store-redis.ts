import type { Logger } from '@audience-bridge/kit/log.ts'
import { type RedisAddress, type RedisArgument, redisOpener } from './redis-connection.ts'
import { RedisLink } from './redis-link.ts'
import type { SessionStore } from './store.ts'

/*
 * A session is one hash, its service tokens another that goes with the last of them, a login a third;
 * each has an expiry of its own, so that nothing is swept. The braces put all keys of one id into one
 * slot of a cluster. What must not be torn apart is one script: one round trip, all or nothing.
 */
const sessionKey = (id: string) => `bff:session:{${id}}`
const tokensKey = (id: string) => `bff:tokens:{${id}}`
const loginKey = (id: string) => `bff:login:{${id}}`

const INSERT = `
if redis.call('EXISTS', KEYS[1]) == 1 then return redis.error_reply('EXISTS the id is taken') end
redis.call('HSET', KEYS[1], 'sealed', ARGV[2], unpack(ARGV, 3))
return redis.call('EXPIREAT', KEYS[1], ARGV[1])`

const REPLACE = `
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'sealed', ARGV[1])
redis.call('HINCRBY', KEYS[1], 'version', 1)
return 1`

const TOUCH = `
local seen = redis.call('HGET', KEYS[1], 'seen_at')
if not seen or tonumber(seen) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'seen_at', ARGV[1])
return 1`

const DELETE = `return redis.call('DEL', KEYS[1], KEYS[2])`

const WRITE_TOKEN = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
if redis.call('EXPIREAT', KEYS[2], ARGV[3], 'GT') == 0 and redis.call('TTL', KEYS[2]) == -1 then
  redis.call('EXPIREAT', KEYS[2], ARGV[3])
end
return 1`

const USE_LOGIN = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('HSETNX', KEYS[1], 'used', '1')`

/** Sessions in a Redis or Valkey (6.2, 7.0 or newer) that several nodes share. */
export function openRedisStore(address: RedisAddress, log: Logger): SessionStore {
  const link = new RedisLink(redisOpener(address), log)
  const run = (script: string, keys: [string, ...string[]], values: RedisArgument[]) =>
    link.send(keys[0], ['EVAL', script, String(keys.length), ...keys, ...values])

  return {
    shared: true,
    async readSession(id) {
      const key = sessionKey(id)
      const reply = await link.send(key, [
        ...['HMGET', key],
        ...['sealed', 'version', 'created_at', 'seen_at', 'expires_at'],
      ])
      const [sealed, ...numbers] = reply as (Buffer | null)[]
      if (!sealed) return undefined
      const [version = 0, createdAt = 0, seenAt = 0, expiresAt = 0] = numbers.map(Number)
      return { sealed, version, createdAt, seenAt, expiresAt }
    },
    async insertSession(id, { sealed, createdAt, seenAt, expiresAt }) {
      const hash = {
        version: 1,
        created_at: createdAt,
        seen_at: seenAt,
        expires_at: expiresAt,
      }
      const fields = Object.entries(hash).flatMap(([name, value]) => [name, String(value)])
      await run(INSERT, [sessionKey(id)], [String(expiresAt), asBuffer(sealed), ...fields])
    },
    async replaceSession(id, sealed, version) {
      const replaced = await run(REPLACE, [sessionKey(id)], [asBuffer(sealed), String(version)])
      return replaced === 1
    },
    async touchSession(id, seenAt) {
      await run(TOUCH, [sessionKey(id)], [String(seenAt)])
    },
    async deleteSession(id) {
      await run(DELETE, [sessionKey(id), tokensKey(id)], [])
    },
    async readTokens(id) {
      const flat = (await link.send(tokensKey(id), ['HGETALL', tokensKey(id)])) as Buffer[]
      const tokens = new Map<string, Uint8Array>()
      for (let at = 0; at < flat.length; at += 2) {
        const [service, sealed] = flat.slice(at)
        if (service && sealed) tokens.set(service.toString(), sealed)
      }
      return tokens
    },
    async writeToken(id, service, sealed, expiresAt) {
      await run(
        WRITE_TOKEN,
        [sessionKey(id), tokensKey(id)],
        [service, asBuffer(sealed), String(expiresAt)],
      )
    },
    async deleteToken(id, service) {
      await link.send(tokensKey(id), ['HDEL', tokensKey(id), service])
    },
    async insertLogin(id, sealed, expiresAt) {
      await run(INSERT, [loginKey(id)], [String(expiresAt), asBuffer(sealed)])
    },
    async readLogin(id) {
      const reply = await link.send(loginKey(id), ['HMGET', loginKey(id), 'sealed', 'used'])
      const [sealed, used] = reply as (Buffer | null)[]
      return sealed ? { sealed, used: used !== null } : undefined
    },
    async useLogin(id) {
      return (await run(USE_LOGIN, [loginKey(id)], [])) === 1
    },
    /** Redis expires by itself. An idle session stays until its hard limit, and is refused all the same. */
    async deleteExpired() {
      return 0
    },
    async close() {
      link.close()
    },
  }
}

const asBuffer = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
