import type { TokenRequirement } from '@audience-bridge/chain/requirement.ts'
import type { Clock } from '@audience-bridge/kit/clock.ts'
import { decodeJwt } from 'jose'
import type { ServiceToken, Session } from '../session/session.ts'
import type { Sessions } from '../session/sessions.ts'
import { renewalTime } from './ahead.ts'
import { SingleFlight } from './flight.ts'
import type { GrantKeeper } from './grant.ts'
import type { Idp } from './idp.ts'
import type { IdpAnswer, IdpAway, IssuedToken } from './idp-answer.ts'
import type { Inspection } from './inspect.ts'
import type { Leases } from './lease.ts'
import { judgeToken } from './verify.ts'

/** What came of asking for a token; every case is one that a caller must expect. */
export type TokenOutcome =
  | { kind: 'token'; token: ServiceToken; minted: boolean }
  | NoToken
  | { kind: 'session_ended'; reason: string }
  | IdpAway

export interface NoToken {
  kind: 'none'
  code: 'NO_TOKEN_AVAILABLE' | 'AUDIENCE_MISMATCH'
  /** For the log and for administrators. */
  found: string
  expected: string
  /** The IdP said no. */
  refusal?: { error: string; description: string | undefined }
  /** The IdP issued a token that does not fit, and why. */
  unfit?: string
  /** Seconds by which the IdP's clock is ahead, where that is the reason. */
  clockAheadSeconds?: number
}

export interface TokenLimits {
  /** No service token is used for longer than this, in seconds. */
  maxSeconds: number
  /** So long before its end a token of a session in use is replaced, in seconds. */
  aheadSeconds: number
}

const SUBJECT_REFUSALS = new Set([
  'invalid_grant',
  'invalid_request',
  'invalid_token',
  // Its key was taken out of use.
  'invalid_dpop_proof',
])

type MintObserver = (
  requirement: TokenRequirement,
  outcome: TokenOutcome['kind'],
  elapsedMs: number,
) => void

/** A refusal is remembered this long, so that a storm of requests is not a storm at the IdP. */
const REFUSAL_MS = 1000

/**
 * Obtains the token of one session for one service: lazily, once however many ask at the same
 * time, verified before it is kept (design rules 1 to 4). A kept token is used only while the
 * configuration still asks for just that audience, those scopes and that way; so a change of the
 * configuration needs no sign-out: the next call mints anew.
 */
export class TokenBroker {
  readonly #idpOf: (session: Session) => Idp
  readonly #grants: GrantKeeper
  readonly #sessions: Sessions
  readonly #leases: Leases
  readonly #knowsKey: (jkt: string) => boolean
  readonly #inspect: (session: Session, token: string) => Promise<Inspection>
  readonly #clock: Clock
  readonly #limits: () => TokenLimits
  readonly #minted: MintObserver | undefined
  readonly #flight = new SingleFlight<TokenOutcome>()
  readonly #refusals = new WeakMap<Session, Map<string, { outcome: NoToken; until: number }>>()

  constructor(deps: {
    idpOf: (session: Session) => Idp
    grants: GrantKeeper
    sessions: Sessions
    leases: Leases
    inspect: (session: Session, token: string) => Promise<Inspection>
    /** Whether this process holds the key of a token that is bound to it. */
    knowsKey: (jkt: string) => boolean
    clock: Clock
    limits: () => TokenLimits
    /** Told of each mint, for counting. */
    minted?: MintObserver
  }) {
    this.#idpOf = deps.idpOf
    this.#grants = deps.grants
    this.#sessions = deps.sessions
    this.#leases = deps.leases
    this.#inspect = deps.inspect
    this.#knowsKey = deps.knowsKey
    this.#clock = deps.clock
    this.#limits = deps.limits
    this.#minted = deps.minted
  }

  /** The kept token if it still is what the requirement asks for; no waiting, no I/O. */
  usable(session: Session, requirement: TokenRequirement): ServiceToken | undefined {
    const token = session.tokens.get(requirement.service)
    return token !== undefined && !session.ended && this.#fits(token, requirement)
      ? token
      : undefined
  }

  /** @param rejected a token that the service refused: it is not offered again. */
  async tokenFor(
    session: Session,
    requirement: TokenRequirement,
    configVersion: string,
    rejected?: ServiceToken,
  ): Promise<TokenOutcome> {
    const kept = this.usable(session, requirement)
    if (kept !== undefined && kept.token !== rejected?.token)
      return { kind: 'token', token: kept, minted: false }
    const key = JSON.stringify([
      session.ticket.id,
      requirement.service,
      requirement.audience,
      askedFor(requirement),
      requirement.mint,
      requirement.dpop,
    ])
    const refusal = this.#refusals.get(session)?.get(key)
    if (refusal !== undefined && refusal.until > performance.now()) return refusal.outcome
    return this.#flight.run(key, async () => {
      const startedAt = performance.now()
      const outcome = await this.#alone(session, requirement, configVersion, rejected)
      this.#minted?.(requirement, outcome.kind, performance.now() - startedAt)
      if (outcome.kind === 'none') this.#rememberRefusal(session, key, outcome)
      return outcome
    })
  }

  /** As the only one of all processes; what another has minted meanwhile is used. */
  async #alone(
    session: Session,
    requirement: TokenRequirement,
    configVersion: string,
    rejected: ServiceToken | undefined,
  ): Promise<TokenOutcome> {
    const { service } = requirement
    const leased = await this.#leases.run<TokenOutcome>(
      session.ticket.id,
      `mint:${service}`,
      async () => {
        const token = await this.#sessions.rereadToken(session, service)
        const good = token && token.token !== rejected?.token && this.#fits(token, requirement)
        return good ? { kind: 'token', token, minted: false } : undefined
      },
      (fence) => this.#mint(session, requirement, configVersion, fence),
    )
    if (leased.kind === 'done') return leased.value
    if (leased.kind === 'busy') {
      return { kind: 'unavailable', reason: 'another node is minting this token' }
    }
    return { kind: 'session_ended', reason: 'it ended' }
  }

  #fits(token: ServiceToken, requirement: TokenRequirement): boolean {
    return (
      token.audience === requirement.audience &&
      token.asked === askedFor(requirement) &&
      token.mint === requirement.mint &&
      // A token is no use without the key that it is bound to.
      (token.jkt === undefined
        ? !requirement.dpop
        : requirement.dpop && this.#knowsKey(token.jkt)) &&
      this.#clock() < token.expiresAt - margin(token)
    )
  }

  async #mint(
    session: Session,
    requirement: TokenRequirement,
    configVersion: string,
    fence: number,
  ): Promise<TokenOutcome> {
    const issued = await this.#ask(session, requirement)
    if (issued.kind !== 'issued') return issued
    const { token, expiresInSeconds } = issued.value
    const now = this.#clock()

    const inspection = await this.#inspect(session, token)
    if (inspection.kind === 'unavailable') return inspection
    const tolerance = this.#idpOf(session).settings.clockToleranceSeconds
    const clock = clockAhead(token, now, tolerance)
    if (inspection.kind === 'invalid') {
      return {
        ...none(
          'NO_TOKEN_AVAILABLE',
          `a token that is not valid: ${inspection.reason}`,
          'a valid token',
        ),
        unfit: 'issued_token_invalid',
        ...clock,
      }
    }
    const subject = requirement.mint === 'client_credentials' ? undefined : session.user.sub
    const judgement = judgeToken(inspection.facts, requirement, {
      ...{ subject, now, toleranceSeconds: tolerance },
      knowsKey: this.#knowsKey,
    })
    if (judgement.kind === 'unfit') {
      const { code, found, expected } = judgement
      const unfit = code === 'AUDIENCE_MISMATCH' ? 'issued_audience_differs' : 'issued_token_unfit'
      return { ...none(code, found, expected), unfit, ...clock }
    }

    if (session.ended)
      return { kind: 'session_ended', reason: 'it ended while the token was minted' }
    const { maxSeconds, aheadSeconds } = this.#limits()
    const expiresAt = Math.min(
      now + maxSeconds,
      expiresInSeconds === undefined ? judgement.expiresAt : now + expiresInSeconds,
      judgement.expiresAt + tolerance,
    )
    const kept: ServiceToken = {
      service: requirement.service,
      audience: requirement.audience,
      asked: askedFor(requirement),
      scopes: [...inspection.facts.scopes],
      mint: requirement.mint,
      token,
      ...(inspection.facts.jkt === undefined ? {} : { jkt: inspection.facts.jkt }),
      mintedAt: now,
      renewAt: renewalTime(now, expiresAt, aheadSeconds),
      expiresAt,
      configVersion,
    }
    // This process has it; a store that is away costs the others one mint, not this user the answer.
    await this.#sessions.keepToken(session, kept, fence).catch(() => {})
    return { kind: 'token', token: kept, minted: true }
  }

  async #ask(
    session: Session,
    requirement: TokenRequirement,
  ): Promise<{ kind: 'issued'; value: IssuedToken } | Exclude<TokenOutcome, { kind: 'token' }>> {
    const { audience } = requirement
    const together = requirement.scopes.join(' ')
    const first = await this.#askOnce(session, requirement, together)
    const alternatives =
      first.kind === 'refused' &&
      first.error === 'invalid_scope' &&
      requirement.requires === 'any' &&
      requirement.scopes.length > 1
    if (!alternatives) return outcomeOf(first, audience)
    // One of them is enough: the first that the IdP grants.
    for (const scope of requirement.scopes) {
      const answer = await this.#askOnce(session, requirement, scope)
      if (answer.kind !== 'refused') return outcomeOf(answer, audience)
    }
    return outcomeOf(first, audience)
  }

  async #askOnce(session: Session, requirement: TokenRequirement, scope: string): Promise<Answer> {
    const { audience, dpop } = requirement
    switch (requirement.mint) {
      case 'client_credentials':
        return this.#idpOf(session).clientCredentials(audience, scope, dpop)
      case 'token_exchange':
        return this.#exchange(session, requirement, scope)
      case 'refresh_resource':
        return this.#grants.refreshForResource(session, audience, scope, dpop)
      case 'login_token': {
        const grant = await this.#grants.fresh(session)
        if (grant.kind !== 'ok') return grant
        const { accessToken, accessExpiresAt, scopes } = grant.value
        return {
          kind: 'ok',
          value: {
            token: accessToken,
            expiresInSeconds: accessExpiresAt - this.#clock(),
            scope: scopes.join(' '),
          },
        }
      }
    }
  }

  async #exchange(
    session: Session,
    { audience, dpop }: TokenRequirement,
    scope: string,
  ): Promise<Answer> {
    const grant = await this.#grants.fresh(session)
    if (grant.kind !== 'ok') return grant
    const idp = this.#idpOf(session)
    const answer = await idp.exchange(grant.value.accessToken, audience, scope, dpop)
    // The IdP does not take the subject token: an invalid one is `invalid_request` (RFC 8693 §2.2.2),
    // an ended login `invalid_grant` with ours. A refresh tells whether the grant is alive.
    const subjectRefused = answer.kind === 'refused' && SUBJECT_REFUSALS.has(answer.error)
    if (!subjectRefused) return answer
    const renewed = await this.#grants.renew(session, grant.value)
    return renewed.kind === 'ok'
      ? idp.exchange(renewed.value.accessToken, audience, scope, dpop)
      : renewed
  }

  #rememberRefusal(session: Session, key: string, outcome: NoToken): void {
    let refusals = this.#refusals.get(session)
    if (refusals === undefined) {
      refusals = new Map()
      this.#refusals.set(session, refusals)
    }
    refusals.set(key, { outcome, until: performance.now() + REFUSAL_MS })
  }
}

type Answer = IdpAnswer<IssuedToken> | { kind: 'session_ended'; reason: string }

function outcomeOf(
  answer: Answer,
  audience: string,
): { kind: 'issued'; value: IssuedToken } | Exclude<TokenOutcome, { kind: 'token' }> {
  if (answer.kind === 'ok') return { kind: 'issued', value: answer.value }
  if (answer.kind !== 'refused') return answer
  const words = answer.description === undefined ? '' : `: ${answer.description}`
  const refused = none(
    'NO_TOKEN_AVAILABLE',
    `the IdP's refusal ${answer.error}${words}`,
    `a token for "${audience}"`,
  )
  return { ...refused, refusal: { error: answer.error, description: answer.description } }
}

const none = (code: NoToken['code'], found: string, expected: string): NoToken => ({
  kind: 'none',
  code,
  found,
  expected,
})

/** By how much the issuer's clock is off, when that is more than tolerated; from the `iat` of a JWT. */
function clockAhead(
  token: string,
  now: number,
  toleranceSeconds: number,
): { clockAheadSeconds: number } | undefined {
  try {
    const { iat } = decodeJwt(token)
    const ahead = iat === undefined ? 0 : iat - now
    return Math.abs(ahead) > toleranceSeconds ? { clockAheadSeconds: ahead } : undefined
  } catch {
    return undefined
  }
}

const ASKED = new WeakMap<TokenRequirement, string>()

/** The scopes as part of a token's identity; made once for each requirement, and asked by each request. */
function askedFor(requirement: TokenRequirement): string {
  let asked = ASKED.get(requirement)
  if (asked === undefined) {
    asked = `${requirement.requires}:${[...requirement.scopes].sort().join(' ')}`
    ASKED.set(requirement, asked)
  }
  return asked
}

/** How long before its end a token is no longer begun with: a fifth of its life, at most 10 s. */
const margin = ({ mintedAt, expiresAt }: ServiceToken) => Math.min(10, (expiresAt - mintedAt) / 5)
