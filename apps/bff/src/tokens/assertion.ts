import { randomUUID } from 'node:crypto'
import type { SessionUser } from '@audience-bridge/contracts/session.ts'
import { SignJWT } from 'jose'
import type { KeyRing } from './key-ring.ts'

/** How long a backend may take the user's word from us, in seconds. */
export const ASSERTION_SECONDS = 60

/**
 * Signs `X-User-Assertion`: who the user is, for backends that are called with a machine token
 * (design rule 2, `client_credentials`). A plain identity header could be forged by whoever
 * reaches the backend; a JWT with the service as `aud` cannot, nor be replayed at another.
 */
/** @param subject who the user is among those of all IdPs. */
export type UserAssertion = (
  user: SessionUser,
  subject: string,
  audience: string,
  now: number,
) => Promise<string>

export function createUserAssertion(ring: KeyRing, issuer: () => string): UserAssertion {
  return async ({ roles, permissions, email }, subject, audience, now) => {
    const { kid, privateKey } = await ring.signer()
    return new SignJWT({
      roles,
      ...(permissions === undefined ? {} : { permissions }),
      ...(email === undefined ? {} : { email }),
    })
      .setProtectedHeader({ alg: 'ES256', typ: 'user-assertion+jwt', kid })
      .setIssuer(issuer())
      .setSubject(subject)
      .setAudience(audience)
      .setJti(randomUUID())
      .setIssuedAt(now)
      .setExpirationTime(now + ASSERTION_SECONDS)
      .sign(privateKey)
  }
}
