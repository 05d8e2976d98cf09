import { decideAudience, quote } from '@audience-bridge/chain/audience-policy.ts'
import type { ScopeMapping } from '@audience-bridge/chain/idp-settings.ts'
import { chooseTarget, type Refusal, refuse, splitScope } from './resources.ts'

export const EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'

/** The parameters of RFC 8693 §2.1; `audience` and `resource` may each come several times. */
export const EXCHANGE_PARAMS = [
  'subject_token',
  'subject_token_type',
  'requested_token_type',
  'actor_token',
  'actor_token_type',
  'audience',
  'resource',
  'scope',
] as const

export type ExchangeParams = Readonly<Partial<Record<(typeof EXCHANGE_PARAMS)[number], unknown>>>

/** A subject token and the login behind it. */
export interface Subject {
  sub: string
  clientId: string
  audience: string
  /** The token came from an exchange itself. */
  actor: boolean
  /** What the login was granted. */
  scopes: readonly string[]
  grantId: string
  sessionUid: string
  sid: string | undefined
  /** Seconds that the grant still lasts. */
  grantSeconds: number
  /** The thumbprint of the key that the token is bound to (RFC 9449 §6). */
  jkt: string | undefined
}

export type SubjectResult =
  | { kind: 'live'; subject: Subject }
  /** Not an access token of ours, or expired. */
  | { kind: 'unusable'; because: string }
  /** Good in itself, but revoked, or its grant, session or user is gone. */
  | { kind: 'ended'; because: string }

export interface ExchangePolicy {
  clientId: string
  allowed: readonly string[]
  mappings: readonly ScopeMapping[]
  /** The audience of login tokens: the only ones that can be exchanged. */
  loginAudience: string
  /** The thumbprint of the key that the request has proven. */
  provenKey: string | undefined
}

export type ExchangeDecision =
  | { kind: 'granted'; subject: Subject; audience: string; scopes: string[] }
  | Refusal

/**
 * Decides a token exchange (RFC 8693): a login's token for one that is bound to one audience.
 *
 * A subject token that cannot be used is `invalid_request` (§2.2.2): asking anew with a fresh token
 * helps. `invalid_grant` says that the login has ended: only signing in helps.
 */
export async function decideExchange(
  params: ExchangeParams,
  policy: ExchangePolicy,
  readSubject: (token: string) => Promise<SubjectResult>,
): Promise<ExchangeDecision> {
  const fault = faultIn(params)
  if (fault !== undefined) return refuse('invalid_request', fault)

  const target = chooseTarget(params)
  if (target.kind === 'refused') return target
  if (target.kind === 'none') {
    return refuse('invalid_target', 'name the service with one audience or resource')
  }

  const read = await readSubject(String(params.subject_token))
  if (read.kind === 'unusable') {
    return refuse('invalid_request', `subject_token cannot be used: ${read.because}`)
  }
  if (read.kind === 'ended') {
    return refuse('invalid_grant', `the login behind subject_token has ended: ${read.because}`)
  }
  const { subject } = read

  // The attack: a client (or a backend that is one) trades in a token that it merely received.
  if (subject.clientId !== policy.clientId) {
    return refuse(
      'invalid_request',
      `subject_token was issued to another client than ${quote(policy.clientId)}`,
    )
  }
  // The attack: who stole a bound token, and not its key, trades it in for one of his own.
  if (subject.jkt !== undefined && subject.jkt !== policy.provenKey) {
    return refuse(
      'invalid_request',
      'subject_token is bound to a key: send a DPoP proof made with that key',
    )
  }
  // The attack: a leaked token for one service becomes a token for every service.
  if (subject.actor || subject.audience !== policy.loginAudience) {
    return refuse(
      'invalid_request',
      `subject_token is for audience ${quote(subject.audience)}; only a login's own token, for ${quote(policy.loginAudience)}, can be exchanged`,
    )
  }

  const decision = decideAudience(policy.mappings, {
    clientId: policy.clientId,
    allowed: policy.allowed,
    granted: subject.scopes,
    audience: target.audience,
    requested: splitScope(params.scope),
  })
  if (decision.kind === 'refused') return decision
  return { kind: 'granted', subject, audience: target.audience, scopes: decision.scopes }
}

/** A parameter that would be ignored is refused: who sends it expects it to take effect. */
function faultIn(params: ExchangeParams): string | undefined {
  if (typeof params.subject_token !== 'string') return 'subject_token is missing'
  if (params.subject_token_type !== ACCESS_TOKEN_TYPE) {
    return `subject_token_type must be ${ACCESS_TOKEN_TYPE}`
  }
  if (params.actor_token !== undefined || params.actor_token_type !== undefined) {
    return 'actor_token is not supported: the actor is the authenticated client'
  }
  if (
    params.requested_token_type !== undefined &&
    params.requested_token_type !== ACCESS_TOKEN_TYPE
  ) {
    return `requested_token_type must be ${ACCESS_TOKEN_TYPE}`
  }
  return undefined
}
