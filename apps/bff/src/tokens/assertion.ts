import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { SessionUser } from '@audience-bridge/contracts/session.ts'
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  SignJWT,
} from 'jose'

/** How long a backend may take the user's word from us, in seconds. */
export const ASSERTION_SECONDS = 60

/**
 * Signs `X-User-Assertion`: who the user is, for backends that are called with a machine token
 * (design rule 2, `client_credentials`). A plain identity header could be forged by whoever
 * reaches the backend; a JWT with the service as `aud` cannot, nor be replayed at another.
 */
export interface UserAssertion {
  jwks: { keys: JWK[] }
  sign(user: SessionUser, audience: string, now: number): Promise<string>
}

/** Loads the signing key from `path`, made at the first start. */
export async function loadUserAssertion(path: string, issuer: string): Promise<UserAssertion> {
  const jwk = existsSync(path)
    ? (JSON.parse(readFileSync(path, 'utf8')) as JWK)
    : await makeKey(path)
  const key = (await importJWK(jwk, 'ES256')) as CryptoKey
  const { d: _private, ...shared } = jwk
  return {
    jwks: { keys: [{ ...shared, alg: 'ES256', use: 'sig' }] },
    sign: (user, audience, now) =>
      new SignJWT({ roles: user.roles, ...(user.email === undefined ? {} : { email: user.email }) })
        .setProtectedHeader({ alg: 'ES256', typ: 'user-assertion+jwt', kid: jwk.kid ?? '' })
        .setIssuer(issuer)
        .setSubject(user.sub)
        .setAudience(audience)
        .setJti(randomUUID())
        .setIssuedAt(now)
        .setExpirationTime(now + ASSERTION_SECONDS)
        .sign(key),
  }
}

async function makeKey(path: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = await exportJWK(privateKey)
  jwk.kid = await calculateJwkThumbprint(jwk)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileSync(path, JSON.stringify(jwk), { mode: 0o600, flag: 'wx' })
  return jwk
}
