import { openRedisStore } from '@audience-bridge/bff/session/store-redis.ts'
import type { RedisEntry } from '@audience-bridge/testkit/redis.ts'
import pino from 'pino'

/** The store as the BFF opens it; `messages` gets what it logs. */
export const openRedis = (
  { url, seeds, password }: RedisEntry,
  more: Partial<Parameters<typeof openRedisStore>[0]> = {},
  messages: string[] = [],
) =>
  openRedisStore(
    {
      ...{ url, seeds, password, cluster: false, ca: undefined },
      ...{ sentinelMaster: undefined, sentinelPassword: undefined },
      ...more,
    },
    pino(
      { messageKey: 'message' },
      { write: (line: string) => void messages.push(JSON.parse(line).message) },
    ),
  )
