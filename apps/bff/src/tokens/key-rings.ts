import type { Clock } from '@audience-bridge/kit/clock.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import type { JWK } from 'jose'
import type { SessionStore } from '../session/store.ts'
import type { StoreKeys } from '../session/ticket.ts'
import { KeyRing, type RingName } from './key-ring.ts'
import { READ_SECONDS, type RingRules } from './key-schedule.ts'

/** How soon a ring that could not be read is tried again, in milliseconds. */
const RETRY_MS = 2000
/** What a key signs lives for a minute; the clocks may differ by some more. */
const SIGNED_ALIVE_SECONDS = 600
/** No token that is bound to a key is used for longer. */
const BOUND_ALIVE_SECONDS = 3600

/** The BFF's key rings, kept up to date. */
export interface KeyRings {
  /** Proves who we are at the IdP (`private_key_jwt`). */
  client: KeyRing
  /** Signs `X-User-Assertion`. */
  assertion: KeyRing
  /** Tokens are bound to its keys (RFC 9449). Published nowhere. */
  dpop: KeyRing
  all: readonly KeyRing[]
  of(name: RingName): KeyRing
  /** What `/.well-known/jwks.json` says. */
  jwks(): Promise<{ keys: JWK[] }>
  close(): void
}

/** Reads the rings now and again and again; a store that is away is tried until it is back. */
export function openKeyRings(deps: {
  store: SessionStore
  storeKeys: StoreKeys
  rules: () => RingRules
  clock: Clock
  log: Logger
}): KeyRings {
  const ring = (name: RingName, aliveSeconds = SIGNED_ALIVE_SECONDS) =>
    new KeyRing({ ...deps, name, aliveSeconds })
  const rings = {
    client: ring('client'),
    assertion: ring('assertion'),
    dpop: ring('dpop', BOUND_ALIVE_SECONDS),
  }
  const all = Object.values(rings)
  let timer: NodeJS.Timeout | undefined
  let closed = false
  const keep = async () => {
    for (const each of all) {
      await each.read().catch((cause: unknown) => {
        if (closed) return
        deps.log.warn({ err: cause, ring: each.name }, 'the key ring could not be read')
      })
    }
    if (closed) return
    timer = setTimeout(keep, all.every(({ isRead }) => isRead) ? READ_SECONDS * 1000 : RETRY_MS)
    timer.unref()
  }
  void keep()
  return {
    ...rings,
    all,
    of: (name) => rings[name],
    jwks: async () => ({
      keys: [...(await rings.client.published()), ...(await rings.assertion.published())],
    }),
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}
