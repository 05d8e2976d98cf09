import { createRemoteJWKSet, errors } from 'jose'
import type { Idp } from './idp.ts'

/** What an IdP may sign with. Neither `none` nor a shared secret: its public key is no secret. */
export const SIGNING_ALGORITHMS = ['ES256', 'ES384', 'PS256', 'RS256', 'EdDSA']

type Keys = ReturnType<typeof createRemoteJWKSet>

export type IdpKeys =
  | { kind: 'keys'; keys: Keys; issuer: string }
  | { kind: 'none' }
  | { kind: 'unavailable'; reason: string }

/** The keys that an IdP publishes: read once, and again when a token names one that is not known. */
export function createKeyReader(idp: Idp): () => Promise<IdpKeys> {
  let keys: Keys | undefined
  return async () => {
    const metadata = await idp.metadata()
    if (metadata.kind !== 'ok') return { kind: 'unavailable', reason: 'no metadata of the IdP' }
    const { jwks_uri: jwksUri, issuer } = metadata.value
    if (jwksUri === undefined) return { kind: 'none' }
    keys ??= createRemoteJWKSet(new URL(jwksUri), {
      timeoutDuration: idp.settings.timeoutSeconds * 1000,
      cooldownDuration: 5_000,
    })
    return { kind: 'keys', keys, issuer }
  }
}

/** Whether it is the token that failed, or the reading of the keys. */
export function blameOf(cause: unknown): { kind: 'invalid' | 'unavailable'; reason: string } {
  const reason = cause instanceof Error ? cause.message : 'unknown'
  const fault = cause instanceof errors.JOSEError && !(cause instanceof errors.JWKSTimeout)
  return fault && cause.code !== 'ERR_JOSE_GENERIC'
    ? { kind: 'invalid', reason }
    : { kind: 'unavailable', reason: `the IdP's keys: ${reason}` }
}
