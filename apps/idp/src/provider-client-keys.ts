import type { Client } from 'oidc-provider'

/*
 * The keys that a client publishes at its `jwks_uri`. The library keeps them at least 60 s whatever
 * happens, so that a client's new key would be refused for that long; and as long as the answer says,
 * so that a key which the client has withdrawn could be good for a year.
 */

/** However long the answer allows: a key that was withdrawn is refused after this many seconds. */
const KEEP_SECONDS = 600
/** The attack: assertions with made-up key ids let us call the client's server once for each. */
const LOOK_AGAIN_SECONDS = 1

interface PublishedKeys {
  freshUntil?: number
  fresh(): boolean
  refresh(): Promise<void>
  selectForVerify(wanted: unknown): unknown[]
}

/** Looks for an unknown key at once, at most once a second; forgets known ones after ten minutes. */
export function followPublishedKeys(client: Client): void {
  if (client.jwksUri === undefined) return
  const keys = Reflect.get(client, 'asymmetricKeyStore') as PublishedKeys
  const { refresh, selectForVerify } = keys
  const now = () => Math.floor(Date.now() / 1000)
  let lookedAt = 0

  keys.refresh = async () => {
    await refresh.call(keys)
    keys.freshUntil = Math.min(keys.freshUntil ?? 0, now() + KEEP_SECONDS)
  }
  keys.selectForVerify = (wanted) => {
    // The library would look again only for what it does not find: for a key withdrawn, never.
    if (!keys.fresh()) return []
    const found = selectForVerify.call(keys, wanted)
    if (found.length === 0 && now() - lookedAt >= LOOK_AGAIN_SECONDS) {
      lookedAt = now()
      keys.freshUntil = 0
    }
    return found
  }
}
