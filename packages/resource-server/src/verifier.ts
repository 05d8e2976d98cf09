import { errors, type JWTPayload, jwtVerify } from 'jose'
import { mismatchText } from './audience.ts'
import { createResultCache } from './cache.ts'
import { type ChallengeError, type RefusalReason, renderChallenge } from './challenge.ts'
import { createKeySource, KeysUnavailable } from './keys.ts'
import { metadataUrl } from './metadata.ts'
import type { NonceSource } from './nonce.ts'
import { judgeProof, PROOF_ALGORITHMS, type ProvenRequest } from './proof.ts'
import { createProofLedger, type ProofLedger } from './replay.ts'

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
  /** Thumbprint of the key that the token is bound to (RFC 9449 §6.1); undefined: a bearer token. */
  jkt: string | undefined
  /** Seconds since the epoch. */
  expiresAt: number
  claims: Readonly<JWTPayload>
}

export type Verification =
  | {
      kind: 'verified'
      token: VerifiedToken
      /** Where nonces are used: the next one, to be sent as `DPoP-Nonce` (RFC 9449 §8.2). */
      dpopNonce?: string
    }
  | {
      kind: 'refused'
      status: 401
      /** Undefined when no token was presented (RFC 6750 §3.1). */
      error: Exclude<ChallengeError, 'insufficient_scope'> | undefined
      description: string
      /** Undefined exactly when `error` is. */
      reason: RefusalReason | undefined
      /** The value of `WWW-Authenticate`. */
      challenge: string
      /** To be sent as `DPoP-Nonce`. */
      dpopNonce?: string
    }
  /** The issuer's keys cannot be had. Answer 503: a 401 would blame a token that may be good. */
  | { kind: 'unavailable'; description: string }

export interface TokenVerifier {
  /**
   * @param authorization the raw value of the request's `Authorization` header.
   * @param request needed where `dpop` is set: what the proof must speak of.
   */
  verify(authorization: string | undefined, request?: ProvenRequest): Promise<Verification>
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
  /**
   * Tokens that are bound to a key (RFC 9449): taken together with a proof of the key, or alone taken.
   * Absent: none are.
   */
  dpop?: 'optional' | 'required'
  /** Each proof must carry a nonce of these. */
  nonces?: NonceSource
  /** Where used proofs are noted; default: in this process. */
  ledger?: ProofLedger
  /** Default: the global one. */
  fetch?: typeof fetch
  /** Seconds since the epoch. */
  clock?: () => number
}

type Scheme = 'Bearer' | 'DPoP'
const CREDENTIALS = /^(Bearer|DPoP) +([\w\-.~+/]+=*)$/i

/** Verifies access tokens of one issuer for one audience (RFC 9068 §4, RFC 9449 §7). */
export function createTokenVerifier(options: VerifierOptions): TokenVerifier {
  const { issuer, audience, clockToleranceSeconds = 60, timeoutMs = 2000, dpop, nonces } = options
  const clock = options.clock ?? (() => Math.floor(Date.now() / 1000))
  const resourceMetadata = metadataUrl(audience)
  const cache = createResultCache<VerifiedToken>(clock)
  const ledger = options.ledger ?? createProofLedger(clock)
  const keys = createKeySource({
    issuer,
    jwksUri: options.jwksUri,
    timeoutMs,
    refetchSeconds: options.refetchSeconds ?? 5,
    fetch: options.fetch,
    clock,
  })
  const schemes: readonly Scheme[] =
    dpop === undefined ? ['Bearer'] : dpop === 'optional' ? ['Bearer', 'DPoP'] : ['DPoP']
  const usual: Scheme = dpop === 'required' ? 'DPoP' : 'Bearer'
  const nonceNow = () => (nonces === undefined ? {} : { dpopNonce: nonces.current() })

  function challengeOf(scheme: Scheme, refusal: Partial<Refusal> = {}): string {
    return renderChallenge({
      scheme,
      realm: options.realm,
      ...refusal,
      resourceMetadata,
      algorithms: scheme === 'DPoP' ? PROOF_ALGORITHMS : undefined,
    })
  }

  function refuse(scheme: Scheme, refusal: Refusal): Verification {
    const challenge = challengeOf(scheme, refusal)
    const nonce = refusal.error === 'use_dpop_nonce' ? nonceNow() : {}
    return { kind: 'refused', status: 401, ...refusal, challenge, ...nonce }
  }

  /** RFC 6750 §3.1: who sent no token is told how to send one, and of no error. */
  function askForToken(description: string): Verification {
    const challenge = schemes.map((scheme) => challengeOf(scheme)).join(', ')
    return {
      kind: 'refused',
      status: 401,
      error: undefined,
      description,
      reason: undefined,
      challenge,
    }
  }

  /** The token that a JWT is, whoever sent it. */
  async function readToken(jwt: string, scheme: Scheme): Promise<VerifiedToken | Verification> {
    const known = cache.get(jwt)
    if (known !== undefined) return known
    const invalid = (reason: RefusalReason, description: string) =>
      refuse(scheme, { error: 'invalid_token', reason, description })
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
      if (!(cause instanceof errors.JOSEError)) throw cause
      const { reason, description } = describe(cause, issuer)
      return invalid(reason, description)
    }
    const mismatch = mismatchText(payload.aud, audience)
    if (mismatch !== undefined) return invalid('audience', mismatch)
    const jkt = boundTo(payload)
    // Bound in a way that is not checked here (to a certificate, say): not a bearer token either.
    if (jkt === 'unknown') return invalid('type', 'the token is bound to a key of an unknown kind')
    const token = tokenFrom(payload, jkt)
    if (token === undefined) return invalid('malformed', 'the token names no subject')
    cache.put(jwt, token, token.expiresAt)
    return token
  }

  /** Whether a verified token came in the way in which it may be used. */
  async function judgeUse(
    token: VerifiedToken,
    jwt: string,
    scheme: Scheme,
    request: ProvenRequest | undefined,
  ): Promise<Verification> {
    const unfit = (description: string) =>
      refuse(scheme, { error: 'invalid_token', reason: 'type', description })
    if (scheme === 'Bearer') {
      // A stolen bound token must be worthless as a plain bearer (RFC 9449 §7.2).
      return token.jkt === undefined
        ? { kind: 'verified', token }
        : unfit('the token is bound to a key and cannot be used as a bearer')
    }
    if (token.jkt === undefined) return unfit('the token is not bound to a key')
    if (request === undefined) throw new Error('verify needs the request where dpop is set')
    const judgement = await judgeProof(
      request,
      { token: jwt, jkt: token.jkt },
      { now: clock(), toleranceSeconds: clockToleranceSeconds, nonces, ledger },
    )
    if (judgement.kind === 'proven') return { kind: 'verified', token, ...nonceNow() }
    const { error, description } = judgement
    return refuse(scheme, { error, reason: 'proof', description })
  }

  return {
    async verify(authorization, request) {
      if (authorization === undefined) {
        return askForToken(`an access token is required: Authorization: ${usual} <token>`)
      }
      const scheme = schemes.find((name) => new RegExp(`^${name}(?: |$)`, 'i').test(authorization))
      if (scheme === undefined) {
        return askForToken(
          `the Authorization header is not of the ${schemes.join(' or the ')} scheme`,
        )
      }
      // Two tokens in one header: whoever checks the first and uses the second is fooled.
      const jwt = CREDENTIALS.exec(authorization)?.[2]
      if (jwt === undefined) {
        return refuse(scheme, {
          error: 'invalid_request',
          reason: 'malformed',
          description: `the Authorization header must be one ${scheme} token`,
        })
      }
      const token = await readToken(jwt, scheme)
      return 'kind' in token ? token : judgeUse(token, jwt, scheme, request)
    },
  }
}

interface Refusal {
  error: Exclude<ChallengeError, 'insufficient_scope'>
  reason: RefusalReason
  description: string
}

/** The thumbprint in `cnf`; undefined without one; `unknown` when only another binding is named. */
function boundTo({ cnf }: JWTPayload): string | undefined {
  if (cnf === undefined) return undefined
  const { jkt } = (cnf ?? {}) as { jkt?: unknown }
  return typeof jkt === 'string' && jkt !== '' ? jkt : 'unknown'
}

/** What to tell a caller; never a part of the token. */
function describe(failure: errors.JOSEError, issuer: string): Omit<Refusal, 'error'> {
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

function tokenFrom(claims: JWTPayload, jkt: string | undefined): VerifiedToken | undefined {
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
    jkt,
    expiresAt: exp,
    claims,
  }
}
