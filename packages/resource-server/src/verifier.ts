import { errors, type JWTPayload, jwtVerify } from 'jose'
import { mismatchText } from './audience.ts'
import { createResultCache } from './cache.ts'
import { renderChallenge } from './challenge.ts'
import { createKeySource, KeysUnavailable } from './keys.ts'
import { metadataUrl } from './metadata.ts'

/** Asymmetric only: with HS256 allowed, the issuer's public key would sign tokens. */
const ALGORITHMS = ['ES256', 'PS256', 'RS256', 'EdDSA']

/** A token that was verified: issuer, signature, type, one exact audience, time. */
export interface VerifiedToken {
  subject: string
  clientId: string | undefined
  scopes: ReadonlySet<string>
  roles: string[]
  /** `act.sub` (RFC 8693 §4.1): who acts for the subject. */
  actor: string | undefined
  /** Seconds since the epoch. */
  expiresAt: number
  claims: Readonly<JWTPayload>
}

export type Verification =
  | { kind: 'verified'; token: VerifiedToken }
  | {
      kind: 'refused'
      status: 401
      /** Undefined when no bearer token was presented (RFC 6750 §3.1). */
      error: 'invalid_request' | 'invalid_token' | undefined
      description: string
      /** The value of `WWW-Authenticate`. */
      challenge: string
    }
  /** The issuer's keys cannot be had. Answer 503: a 401 would blame a token that may be good. */
  | { kind: 'unavailable'; description: string }

export interface TokenVerifier {
  /** @param authorization the raw value of the request's `Authorization` header. */
  verify(authorization: string | undefined): Promise<Verification>
}

export interface VerifierOptions {
  /** Exactly what `iss` must be. */
  issuer: string
  /** Exactly what `aud` must be. */
  audience: string
  /** Found by discovery at `issuer` when absent; nothing is fetched before the first token. */
  jwksUri?: string | undefined
  clockToleranceSeconds?: number
  /** For discovery and keys together. */
  timeoutMs?: number
  /** Shortest time between two fetches of the keys. */
  refetchSeconds?: number
  /** Named in challenges. */
  realm?: string
  /** Seconds since the epoch. */
  clock?: () => number
}

const BEARER = /^Bearer +([\w\-.~+/]+=*)$/i

/** Verifies access tokens of one issuer for one audience (RFC 9068 §4). */
export function createTokenVerifier(options: VerifierOptions): TokenVerifier {
  const { issuer, audience, clockToleranceSeconds = 60, timeoutMs = 2000 } = options
  const clock = options.clock ?? (() => Math.floor(Date.now() / 1000))
  const resourceMetadata = metadataUrl(audience)
  const cache = createResultCache<VerifiedToken>(clock)
  const keys = createKeySource({
    issuer,
    jwksUri: options.jwksUri,
    timeoutMs,
    refetchSeconds: options.refetchSeconds ?? 5,
    clock,
  })

  function refuse(
    error: 'invalid_request' | 'invalid_token' | undefined,
    description: string,
  ): Verification {
    const challenge = renderChallenge({
      realm: options.realm,
      error,
      ...(error === undefined ? {} : { description }),
      resourceMetadata,
    })
    return { kind: 'refused', status: 401, error, description, challenge }
  }

  async function check(jwt: string): Promise<Verification> {
    let payload: JWTPayload
    try {
      const verified = await jwtVerify(jwt, keys, {
        algorithms: ALGORITHMS,
        // An ID token is signed by the same key; only `typ` tells it from an access token.
        typ: 'at+jwt',
        issuer,
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(clock() * 1000),
        requiredClaims: ['exp', 'sub', 'aud'],
      })
      payload = verified.payload
    } catch (cause) {
      if (cause instanceof KeysUnavailable) {
        return { kind: 'unavailable', description: cause.message }
      }
      if (cause instanceof errors.JOSEError) return refuse('invalid_token', describe(cause, issuer))
      throw cause
    }
    const mismatch = mismatchText(payload.aud, audience)
    if (mismatch !== undefined) return refuse('invalid_token', mismatch)
    // A stolen DPoP- or certificate-bound token must be worthless as a plain bearer (RFC 9449 §7.2).
    if (payload.cnf !== undefined) {
      return refuse('invalid_token', 'the token is bound to a key and cannot be used as a bearer')
    }
    const token = readToken(payload)
    if (token === undefined) return refuse('invalid_token', 'the token names no subject')
    cache.put(jwt, token, token.expiresAt)
    return { kind: 'verified', token }
  }

  return {
    async verify(authorization) {
      if (authorization === undefined) {
        return refuse(undefined, 'an access token is required: Authorization: Bearer <token>')
      }
      if (!/^Bearer(?: |$)/i.test(authorization)) {
        return refuse(undefined, 'the Authorization header is not of the Bearer scheme')
      }
      // Two tokens in one header: whoever checks the first and uses the second is fooled.
      const jwt = BEARER.exec(authorization)?.[1]
      if (jwt === undefined) {
        return refuse('invalid_request', 'the Authorization header must be one Bearer token')
      }
      const known = cache.get(jwt)
      return known === undefined ? check(jwt) : { kind: 'verified', token: known }
    },
  }
}

/** What to tell a caller; never a part of the token. */
function describe(failure: errors.JOSEError, issuer: string): string {
  if (failure instanceof errors.JWTExpired) return 'the token has expired'
  if (failure instanceof errors.JWTClaimValidationFailed) {
    if (failure.claim === 'typ') return 'the token is no access token: its typ must be at+jwt'
    if (failure.claim === 'iss') return `the token is of another issuer, expected ${issuer}`
    if (failure.claim === 'nbf') return 'the token is not valid yet'
    return `the claim ${failure.claim} of the token is missing or wrong`
  }
  if (failure instanceof errors.JOSEAlgNotAllowed) {
    return `the token's algorithm is not allowed; allowed are ${ALGORITHMS.join(', ')}`
  }
  if (failure instanceof errors.JWSSignatureVerificationFailed) {
    return "the token's signature is wrong"
  }
  if (failure instanceof errors.JWKSNoMatchingKey) {
    return `the token is signed with a key that ${issuer} does not publish`
  }
  return 'the token is not a well-formed signed JWT'
}

function readToken(claims: JWTPayload): VerifiedToken | undefined {
  const { sub, exp } = claims
  if (typeof sub !== 'string' || sub === '' || exp === undefined) return undefined
  const actor = claims.act as { sub?: unknown } | null | undefined
  const client = claims.client_id ?? claims.azp
  return {
    subject: sub,
    clientId: typeof client === 'string' ? client : undefined,
    scopes: new Set(
      typeof claims.scope === 'string' ? claims.scope.split(' ').filter((s) => s !== '') : [],
    ),
    roles: Array.isArray(claims.roles)
      ? claims.roles.filter((role): role is string => typeof role === 'string')
      : [],
    actor: typeof actor?.sub === 'string' ? actor.sub : undefined,
    expiresAt: exp,
    claims,
  }
}
