import { mkdirSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { BffStoreSettings } from '@audience-bridge/chain/bff-store.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import { readSecret } from '@audience-bridge/kit/secret.ts'
import type { SessionStore } from './session/store.ts'
import { openRedisStore } from './session/store-redis.ts'
import { openSqliteStore } from './session/store-sqlite.ts'
import { type StoreKeys, storeKeysFrom } from './session/ticket.ts'

/**
 * The configured store, open. A Redis that is away is no reason not to start: it may come.
 *
 * @param options `shared`: a file is open in other processes, too.
 */
export function openSessionStore(
  { path, redis }: BffStoreSettings,
  log: Logger,
  options: { shared?: boolean } = {},
): SessionStore {
  if (redis !== undefined) {
    const { password, sentinel_password: sentinelPassword, ca_file: caFile } = redis
    return openRedisStore(
      {
        url: redis.url,
        seeds: redis.seeds,
        cluster: redis.cluster,
        sentinelMaster: redis.sentinel_master,
        password: password && readSecret(password),
        sentinelPassword: sentinelPassword && readSecret(sentinelPassword),
        ca: caFile && readFileSync(resolve(caFile), 'utf8'),
      },
      log,
    )
  }
  if (path === undefined) throw new Error('store: neither path nor redis is given')
  return openSqliteStore(resolve(path), log, options)
}

/** The keys that seal what the store holds. */
export const readStoreKeys = ({ key, further_keys: further }: BffStoreSettings): StoreKeys =>
  storeKeysFrom([readSecret(key), ...further.map((one) => readSecret(one))])

/** Where this node keeps what is its own; made if need be. */
export function storeDirectory({ path, directory }: BffStoreSettings): string {
  const own = resolve(directory ?? dirname(path ?? ''))
  mkdirSync(own, { recursive: true, mode: 0o700 })
  return own
}
