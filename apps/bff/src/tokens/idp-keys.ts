import { createKeySource, KeysUnavailable } from '@audience-bridge/resource-server/keys.ts'
import { errors, type JWTVerifyGetKey } from 'jose'
import type { Idp } from './idp.ts'

/** What an IdP may sign with. Neither `none` nor a shared secret: its public key is no secret. */
export const SIGNING_ALGORITHMS = ['ES256', 'ES384', 'PS256', 'RS256', 'EdDSA']

/** An unknown key makes the IdP's be read anew, at most this often. */
const REFETCH_SECONDS = 5

export type IdpKeys =
  | { kind: 'keys'; keys: JWTVerifyGetKey; issuer: string }
  | { kind: 'none' }
  | { kind: 'unavailable'; reason: string }

/** The keys that an IdP publishes: read once, and again when a token names one that is not known. */
export function createKeyReader(idp: Idp): () => Promise<IdpKeys> {
  let keys: JWTVerifyGetKey | undefined
  return async () => {
    const metadata = await idp.metadata()
    if (metadata.kind !== 'ok') return { kind: 'unavailable', reason: 'no metadata of the IdP' }
    const { jwks_uri: jwksUri, issuer } = metadata.value
    if (jwksUri === undefined) return { kind: 'none' }
    keys ??= createKeySource({
      issuer,
      jwksUri,
      timeoutMs: idp.settings.timeoutSeconds * 1000,
      refetchSeconds: REFETCH_SECONDS,
      fetch: idp.link.fetch,
      clock: () => performance.now() / 1000,
    })
    return { kind: 'keys', keys, issuer }
  }
}

/** Whether it is the token that failed, or the reading of the keys. */
export function blameOf(cause: unknown): { kind: 'invalid' | 'unavailable'; reason: string } {
  if (cause instanceof KeysUnavailable) return { kind: 'unavailable', reason: cause.message }
  if (cause instanceof errors.JOSEError) return { kind: 'invalid', reason: cause.message }
  throw cause
}
