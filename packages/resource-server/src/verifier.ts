import { errors, type JWTPayload, jwtVerify } from 'jose'
import { mismatchText } from './audience.ts'
import { createResultCache } from './cache.ts'
import { type RefusalReason, renderChallenge } from './challenge.ts'
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
      /** Undefined exactly when `error` is. */
      reason: RefusalReason | undefined
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
    error: 'invalid_request' | 'invalid_token',
    { reason, description }: Refusal,
  ): Verification {
    const challenge = renderChallenge({
      realm: options.realm,
      error,
      description,
      reason,
      resourceMetadata,
    })
    return { kind: 'refused', status: 401, error, description, reason, challenge }
  }

  /** RFC 6750 §3.1: who sent no token is told how to send one, and of no error. */
  function askForToken(description: string): Verification {
    const challenge = renderChallenge({ realm: options.realm, resourceMetadata })
    return {
      kind: 'refused',
      status: 401,
      error: undefined,
      description,
      reason: undefined,
      challenge,
    }
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
    if (mismatch !== undefined) {
      return refuse('invalid_token', { reason: 'audience', description: mismatch })
    }
    // A stolen DPoP- or certificate-bound token must be worthless as a plain bearer (RFC 9449 §7.2).
    if (payload.cnf !== undefined) {
      return refuse('invalid_token', {
        reason: 'type',
        description: 'the token is bound to a key and cannot be used as a bearer',
      })
    }
    const token = readToken(payload)
    if (token === undefined) {
      return refuse('invalid_token', {
        reason: 'malformed',
        description: 'the token names no subject',
      })
    }
    cache.put(jwt, token, token.expiresAt)
    return { kind: 'verified', token }
  }

  return {
    async verify(authorization) {
      if (authorization === undefined) {
        return askForToken('an access token is required: Authorization: Bearer <token>')
      }
      if (!/^Bearer(?: |$)/i.test(authorization)) {
        return askForToken('the Authorization header is not of the Bearer scheme')
      }
      // Two tokens in one header: whoever checks the first and uses the second is fooled.
      const jwt = BEARER.exec(authorization)?.[1]
      if (jwt === undefined) {
        return refuse('invalid_request', {
          reason: 'malformed',
          description: 'the Authorization header must be one Bearer token',
        })
      }
      const known = cache.get(jwt)
      return known === undefined ? check(jwt) : { kind: 'verified', token: known }
    },
  }
}

interface Refusal {
  reason: RefusalReason
  description: string
}

/** What to tell a caller; never a part of the token. */
function describe(failure: errors.JOSEError, issuer: string): Refusal {
  const because = (reason: RefusalReason, description: string) => ({ reason, description })
  if (failure instanceof errors.JWTExpired) return because('expired', 'the token has expired')
  if (failure instanceof errors.JWTClaimValidationFailed) {
    switch (failure.claim) {
      case 'typ':
        return because('type', 'the token is no access token: its typ must be at+jwt')
      case 'iss':
        return because('issuer', `the token is of another issuer, expected ${issuer}`)
      case 'nbf':
        return because('not_yet_valid', 'the token is not valid yet')
      case 'aud':
        return because('audience', 'the claim aud of the token is missing or wrong')
      default:
        return because('malformed', `the claim ${failure.claim} of the token is missing or wrong`)
    }
  }
  if (failure instanceof errors.JOSEAlgNotAllowed) {
    return because(
      'malformed',
      `the token's algorithm is not allowed; allowed are ${ALGORITHMS.join(', ')}`,
    )
  }
  if (failure instanceof errors.JWSSignatureVerificationFailed) {
    return because('signature', "the token's signature is wrong")
  }
  if (failure instanceof errors.JWKSNoMatchingKey) {
    return because('key_unknown', `the token is signed with a key that ${issuer} does not publish`)
  }
  return because('malformed', 'the token is not a well-formed signed JWT')
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
