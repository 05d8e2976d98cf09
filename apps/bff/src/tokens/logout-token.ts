import { type JWTPayload, type JWTVerifyResult, jwtVerify } from 'jose'
import { blameOf, type IdpKeys, SIGNING_ALGORITHMS } from './idp-keys.ts'
import type { IdpSettings } from './idp-link.ts'

/** Whom the IdP has signed out. */
export interface LogoutOrder {
  issuer: string
  /** At least one of these two is there. */
  sub: string | undefined
  sid: string | undefined
  jti: string
  /** When the IdP gave the order, and until when the token could be shown again; seconds. */
  issuedAt: number
  expiresAt: number
}

export type LogoutVerdict =
  | { kind: 'order'; order: LogoutOrder }
  | { kind: 'invalid'; reason: string }
  | { kind: 'unavailable'; reason: string }

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** An order that is older is none, in seconds: its `jti` need not be remembered for longer. */
const MAX_AGE = 600

/** RFC 8725 §3.11: a token of another kind is not taken for one of this kind. */
const TYPES = new Set<string | undefined>([
  undefined,
  'jwt',
  'logout+jwt',
  'application/logout+jwt',
])

/** Verifies logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.6, steps 1 to 8). */
export function createLogoutVerifier(
  { clientId, clockToleranceSeconds }: IdpSettings,
  readKeys: () => Promise<IdpKeys>,
): (token: string, now: number) => Promise<LogoutVerdict> {
  return async (token, now) => {
    const read = await readKeys()
    if (read.kind === 'none') return invalid('the IdP publishes no keys')
    if (read.kind === 'unavailable') return read
    let verified: JWTVerifyResult
    try {
      verified = await jwtVerify(token, read.keys, {
        issuer: read.issuer,
        audience: clientId,
        algorithms: SIGNING_ALGORITHMS,
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(now * 1000),
        requiredClaims: ['iss', 'aud', 'iat', 'exp', 'jti', 'events'],
        maxTokenAge: MAX_AGE,
      })
    } catch (cause) {
      return blameOf(cause)
    }
    const { payload, protectedHeader } = verified
    if (!TYPES.has(protectedHeader.typ?.toLowerCase())) {
      return invalid(`the type "${protectedHeader.typ}" is not logout+jwt`)
    }
    return judgeClaims(payload, now + MAX_AGE + 2 * clockToleranceSeconds)
  }
}

const invalid = (reason: string): LogoutVerdict => ({ kind: 'invalid', reason })

function judgeClaims(claims: JWTPayload, latest: number): LogoutVerdict {
  const { iss = '', sub, sid, jti, iat = 0, exp = 0, events } = claims
  // The attack: an ID token, which every client and many logs have, is shown as an order to sign its
  // user out. Only a logout token has this event, and only ID tokens have a nonce.
  if (!isRecord(events) || !isRecord(events[EVENT])) return invalid('events has no logout event')
  if (claims.nonce !== undefined) return invalid('a logout token has no nonce')
  if (typeof jti !== 'string' || jti === '') return invalid('jti is missing')
  const isName = (value: unknown) =>
    value === undefined || (typeof value === 'string' && value !== '')
  if (!isName(sub) || !isName(sid)) return invalid('sub or sid is no text')
  if (sub === undefined && sid === undefined) return invalid('neither sub nor sid is there')
  return {
    kind: 'order',
    order: {
      ...{ issuer: iss, sub, jti, issuedAt: iat },
      sid: typeof sid === 'string' ? sid : undefined,
      expiresAt: Math.min(exp, latest),
    },
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
