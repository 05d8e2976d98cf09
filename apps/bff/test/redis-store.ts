import { openRedisStore } from '@audience-bridge/bff/session/store-redis.ts'
import { createLog } from '@audience-bridge/kit/log.ts'
import type { RedisEntry } from '@audience-bridge/testkit/redis.ts'

const log = createLog('test', 'silent')

/** The store as the BFF opens it. */
export const openRedis = (
  { url, seeds, password }: RedisEntry,
  more: Partial<Parameters<typeof openRedisStore>[0]> = {},
) =>
  openRedisStore(
    {
      ...{ url, seeds, password, cluster: false, ca: undefined },
      ...{ sentinelMaster: undefined, sentinelPassword: undefined },
      ...more,
    },
    log,
  )
