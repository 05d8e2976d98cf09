import { openRedisStore } from '@audience-bridge/bff/session/store-redis.ts'
import { captureLog } from '@audience-bridge/testkit/log.ts'
import type { RedisEntry } from '@audience-bridge/testkit/redis.ts'

/** The store as the BFF opens it; `logs` gets what it says. */
export const openRedis = (
  { url, seeds, password }: RedisEntry,
  more: Partial<Parameters<typeof openRedisStore>[0]> = {},
  logs: Record<string, unknown>[] = [],
) =>
  openRedisStore(
    {
      ...{ url, seeds, password, cluster: false, ca: undefined },
      ...{ sentinelMaster: undefined, sentinelPassword: undefined },
      ...more,
    },
    captureLog(logs),
  )
