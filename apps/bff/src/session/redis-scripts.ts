/*
 * What must not be torn apart is one script: one round trip, all or nothing. KEYS[1] is the session's
 * hash, whose fields are `sealed`, `card`, `version`, `created_at`, `seen_at`, `expires_at`, `keys`
 * (where it is listed), `fence` (the last one given), `lease:NAME` (until when, and whose) and
 * `fence:SERVICE` (of the token that is kept). KEYS[2] is the hash of its tokens.
 */
const NOW_MS = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function lease()
  local text = redis.call('HGET', KEYS[1], ARGV[1])
  if not text then return end
  local till, holder = string.match(text, '^(%d+):(.*)$')
  return tonumber(till), holder
end
local function keep()
  local till = string.format('%.0f', now + tonumber(ARGV[3]))
  redis.call('HSET', KEYS[1], ARGV[1], till .. ':' .. ARGV[2])
end
`

const EXPIRE_LATEST = (key: string, at: string) => `
if redis.call('EXPIREAT', ${key}, ${at}, 'GT') == 0 and redis.call('TTL', ${key}) == -1 then
  redis.call('EXPIREAT', ${key}, ${at})
end
`

/** `expiresAt`, then names and values. For sessions and logins. */
export const INSERT = `
if redis.call('EXISTS', KEYS[1]) == 1 then return redis.error_reply('EXISTS the id is taken') end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return redis.call('EXPIREAT', KEYS[1], ARGV[1])`

/** `sealed`, `version`, channel, message, and maybe `card`. */
export const REPLACE = `
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'sealed', ARGV[1])
if ARGV[5] then redis.call('HSET', KEYS[1], 'card', ARGV[5]) end
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1`

/** `seenAt`. */
export const TOUCH = `
local seen = redis.call('HGET', KEYS[1], 'seen_at')
if not seen or tonumber(seen) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'seen_at', ARGV[1])
return 1`

/** `unseenSince` or nothing, channel, message. Answers where it was listed; no end is silent. */
export const DELETE = `
local seen = redis.call('HGET', KEYS[1], 'seen_at')
if not seen then return false end
if ARGV[1] ~= '' and tonumber(seen) > tonumber(ARGV[1]) then return false end
local keys = redis.call('HGET', KEYS[1], 'keys')
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return keys`

/** `service`, `sealed`, `expiresAt`, `fence`. */
export const WRITE_TOKEN = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local last = redis.call('HGET', KEYS[1], 'fence:' .. ARGV[1])
if last and tonumber(last) > tonumber(ARGV[4]) then return 0 end
redis.call('HSET', KEYS[1], 'fence:' .. ARGV[1], ARGV[4])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
${EXPIRE_LATEST('KEYS[2]', 'ARGV[3]')}
return 1`

/** `lease:NAME`, holder, milliseconds. Answers the fence; 0: taken; -1: no such session. */
export const ACQUIRE = `${NOW_MS}
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
local till = lease()
if till and till > now then return 0 end
keep()
return redis.call('HINCRBY', KEYS[1], 'fence', 1)`

/** `lease:NAME`, holder, milliseconds. */
export const RENEW = `${NOW_MS}
local till, holder = lease()
if not till or till <= now or holder ~= ARGV[2] then return 0 end
keep()
return 1`

/** `lease:NAME`, holder, channel, message. */
export const RELEASE = `${NOW_MS}
local till, holder = lease()
if holder ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1`

export const USE_LOGIN = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('HSETNX', KEYS[1], 'used', '1')`

/** `sealed`, `version`. */
export const REPLACE_DOCUMENT = `
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'sealed', ARGV[1])
redis.call('HINCRBY', KEYS[1], 'version', 1)
return 1`

/** Lists an id: `id`, `expiresAt`, now. What has expired goes. */
export const LIST = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
${EXPIRE_LATEST('KEYS[1]', 'ARGV[2]')}
return 1`

/** Counts what is listed and has not expired: now. */
export const COUNT = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
return redis.call('ZCARD', KEYS[1])`

/** A page of what is listed, with scores: limit, and the score and id of the last one seen. */
export const PAGE = `
local first = 0
if ARGV[2] ~= '' then
  first = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[2])
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[2], ARGV[2])) do
    if id <= ARGV[3] then first = first + 1 end
  end
end
return redis.call('ZRANGE', KEYS[1], first, first + ARGV[1] - 1, 'WITHSCORES')`

/**
 * Adds to token buckets, whose keys are in one slot: for each what was spent and how long ago, in
 * milliseconds. Answers in how many milliseconds each is whole. By the clock of Redis alone.
 */
export const SPEND = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local ahead = {}
for i, key in ipairs(KEYS) do
  local whole = tonumber(redis.call('HGET', key, 'whole') or 0)
  whole = math.max(whole, now - ARGV[2 * i]) + ARGV[2 * i - 1]
  local left = math.max(0, whole - now)
  if left > 0 then
    redis.call('HSET', key, 'whole', string.format('%.3f', whole))
    redis.call('EXPIREAT', key, string.format('%.0f', math.ceil(whole / 1000)))
  end
  ahead[i] = string.format('%.3f', left)
end
return ahead`
