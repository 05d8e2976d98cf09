import { createLocalJWKSet, errors, type JWK, type JWTPayload, jwtVerify } from 'jose'

/** The claims of an access token that this IdP signed and that has not expired. */
export interface OwnToken {
  jti: string
  sub: string
  clientId: string
  audience: string
  /** There when the token came from an exchange. */
  actor: boolean
}

export type OwnTokenResult =
  | { kind: 'valid'; token: OwnToken }
  | { kind: 'invalid'; because: string }

export type VerifyOwnToken = (jwt: string) => Promise<OwnTokenResult>

/** Verifies our own access tokens (RFC 9068 §4) with the public keys at hand. */
export function ownTokenVerifier(issuer: string, keys: { keys: JWK[] }): VerifyOwnToken {
  const keySet = createLocalJWKSet(keys)
  return async (jwt) => {
    try {
      const { payload } = await jwtVerify(jwt, keySet, {
        issuer,
        algorithms: ['ES256'],
        // The attack: an ID token, signed by the same key, passed off as an access token.
        typ: 'at+jwt',
        requiredClaims: ['exp', 'iat', 'jti', 'sub', 'aud', 'client_id'],
      })
      const token = readClaims(payload)
      return token === undefined
        ? { kind: 'invalid', because: 'its claims are not those of an access token' }
        : { kind: 'valid', token }
    } catch (error) {
      return { kind: 'invalid', because: reasonOf(error) }
    }
  }
}

function readClaims({ jti, sub, aud, client_id, act }: JWTPayload): OwnToken | undefined {
  if (typeof jti !== 'string' || typeof sub !== 'string') return undefined
  if (typeof aud !== 'string' || typeof client_id !== 'string') return undefined
  return { jti, sub, audience: aud, clientId: client_id, actor: act !== undefined }
}

function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'it has expired'
  if (error instanceof errors.JWTClaimValidationFailed) {
    return error.claim === 'typ' ? 'it is not an access token' : `its ${error.claim} does not fit`
  }
  return 'it was not signed by this issuer'
}
