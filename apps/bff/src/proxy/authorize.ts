import type { TokenSeen } from '@audience-bridge/chain/observation.ts'
import type { TokenRequirement } from '@audience-bridge/chain/requirement.ts'
import type { ProblemCode } from '@audience-bridge/contracts/problem.ts'
import { SILENT_LOGIN, wouldAskMore } from '../login/reauthorize.ts'
import { type ProblemMore, retryAfter } from '../problems.ts'
import type { BindingVerdict, SessionBindings } from '../session/binding.ts'
import { csrfFault, requestOrigin } from '../session/csrf.ts'
import { findSession, peekSession } from '../session/lookup.ts'
import type { ServiceToken, Session } from '../session/session.ts'
import type { Sessions } from '../session/sessions.ts'
import type { UserAssertion } from '../tokens/assertion.ts'
import type { BearerVerifiers } from '../tokens/bearer.ts'
import type { NoToken, TokenBroker, TokenOutcome } from '../tokens/broker.ts'
import { principalIn } from '../tokens/claims.ts'
import type { Exchange, Passage } from './exchange.ts'
import { excessHeaders, type RateDeps, takeRate } from './rate.ts'

/** What goes to the backend as proof of who calls. */
export interface Credentials {
  authorization: string | undefined
  userAssertion: string | undefined
  /** The service token behind `authorization`, where the BFF minted it. */
  token: ServiceToken | undefined
}

export interface Refusal {
  kind: 'refused'
  code: ProblemCode
  detail: string
  more: ProblemMore
}

export type Authorized = { kind: 'authorized'; credentials: Credentials } | Refusal

export interface AuthorizeDeps extends RateDeps {
  sessions: Sessions
  bindings: SessionBindings
  broker: TokenBroker
  bearers: () => BearerVerifiers
  assertion: UserAssertion
  now: () => number
}

export const SESSION_ENDED = 'the session has ended; sign in again at /auth/login'

const NO_CREDENTIALS: Credentials = {
  authorization: undefined,
  userAssertion: undefined,
  token: undefined,
}

export const refuse = (code: ProblemCode, detail: string, more: ProblemMore = {}): Refusal => ({
  kind: 'refused',
  code,
  detail,
  more,
})

const NO_SESSION = refuse(
  'SESSION_REQUIRED',
  'sign in at /auth/login and call again with the session cookie',
)

/** Tokens carry the roles of now: they are for a session whose id is as new as those (`Session.raised`). */
const MORE_RIGHTS = refuse(
  'REAUTHORIZATION_REQUIRED',
  'you have been given more rights since this sign-in; visit login_url once',
  { extensions: { login_url: SILENT_LOGIN } },
)

/** Session, then CSRF, then rate, then token: the first that fails decides (design rule 6). */
export async function authorize(deps: AuthorizeDeps, exchange: Exchange): Promise<Authorized> {
  const credentials = authorizeAtOnce(deps, exchange)
  if (credentials !== undefined) {
    return refuseExcess(deps, exchange) ?? { kind: 'authorized', credentials }
  }
  if (exchange.route?.route.auth === 'session') return authorizeSession(deps, exchange)
  return refuseExcess(deps, exchange) ?? authorizeBearer(deps, exchange)
}

/** What the fast path has begun was counted there. */
function refuseExcess(deps: AuthorizeDeps, exchange: Exchange): Refusal | undefined {
  if (takeRate(deps, exchange, exchange.begun === undefined ? 1 : 0)) return undefined
  const { rate, rateMs, route } = exchange
  if (rate === undefined) return undefined
  const service = route?.route.target_service
  const detail = `${service} was called too often ${rate.per === 'session' ? 'in this session' : 'from your address'}; wait as Retry-After says`
  return refuse('RATE_LIMITED', detail, { service, headers: excessHeaders(rate, rateMs) })
}

/**
 * What `authorize` grants where it need not wait: to everybody, or to a session in memory that has
 * its token and that nothing speaks against. Undefined: it would refuse or must ask somebody, and
 * nothing has been changed. A rule of the judgement that is missing here is missing on both paths.
 */
export function authorizeAtOnce(deps: AuthorizeDeps, passage: Passage): Credentials | undefined {
  const { config, req, route } = passage
  if (route?.route.auth === 'none') return NO_CREDENTIALS
  if (route?.route.auth !== 'session') return undefined
  const session = peekSession(deps.sessions, passage, req.headers.cookie)
  const requirement = config.requirements.get(route.route.target_service)
  if (session === undefined || session.raised || requirement === undefined) {
    return undefined
  }
  // What asks to be a WebSocket is judged by more (below).
  if (req.headers['sec-websocket-key'] !== undefined) return undefined
  if (!deps.bindings.knows(session, req, config.binding)) return undefined
  if (csrfFaultOf(passage, session) !== undefined) return undefined
  const token = deps.broker.usable(session, requirement)
  // An assertion of the user, or a proof for a token that is bound to a key, is signed each time.
  if (token === undefined || token.jkt !== undefined) return undefined
  if (requirement.mint === 'client_credentials') return undefined
  noteSession(passage, session)
  passage.sessionMs = performance.now() - passage.startedAt
  deps.sessions.touch(session)
  passage.tokenFound = true
  passage.token = tokenSeen(requirement, { kind: 'token', token, minted: false }, deps.now())
  return { authorization: `Bearer ${token.token}`, userAssertion: undefined, token }
}

function noteSession(passage: Passage, session: Session): void {
  passage.session = session
  passage.sessionState = 'live'
  passage.subject = principalIn(passage.config.idps, session)
  passage.subjectRoles = session.user.roles
}

const csrfFaultOf = ({ method, req, frontend }: Passage, { ticket }: Session) =>
  csrfFault(requestOrigin(method, req.headers), ticket.csrf, frontend.trustedOrigins)

/**
 * Opens the session of the request's cookie.
 *
 * @returns why there is none; undefined when the exchange has it.
 */
export async function identify(
  deps: AuthorizeDeps,
  exchange: Exchange,
): Promise<Refusal | undefined> {
  const { req, config } = exchange
  const { cookie } = req.headers
  const cached = peekSession(deps.sessions, exchange, cookie)
  if (cached !== undefined) exchange.session = cached
  else {
    const found = await findSession(deps.sessions, exchange, cookie)
    exchange.sessionState = found.kind === 'session' ? 'live' : found.kind
    if (found.kind === 'none') return NO_SESSION
    if (found.kind === 'ended') {
      return refuse('SESSION_EXPIRED', SESSION_ENDED)
    }
    exchange.session = found.session
  }
  const { session } = exchange
  const verdict = deps.bindings.judge(session, req, config.binding)
  if (verdict.kind !== 'fits') return refuseElsewhere(exchange, verdict)
  noteSession(exchange, session)
  return undefined
}

async function authorizeSession(deps: AuthorizeDeps, exchange: Exchange): Promise<Authorized> {
  const refusal = await identify(deps, exchange)
  exchange.sessionMs = performance.now() - exchange.startedAt
  const { req, session } = exchange
  if (refusal !== undefined || session === undefined) {
    return refuseExcess(deps, exchange) ?? refusal ?? NO_SESSION
  }

  // By the field that no page can set: a proxy in front may have taken `Upgrade` for its own hop.
  if (req.headers['sec-websocket-key'] !== undefined) {
    const foreign = refuseOrigin(exchange, requestOrigin(exchange.method, req.headers).origin)
    if (foreign !== undefined) return foreign
  }
  const fault = csrfFaultOf(exchange, session)
  if (fault !== undefined) {
    exchange.csrfFault = fault
    return refuse(
      'CSRF_REJECTED',
      `${fault}; send the csrf_token of GET /api/auth/session as X-CSRF-Token`,
    )
  }
  deps.sessions.touch(session)
  // The attack: a page of another site spends the user's bucket. It does not get past the CSRF check.
  const excess = refuseExcess(deps, exchange)
  if (excess !== undefined) return excess
  return session.raised ? MORE_RIGHTS : obtainToken(deps, exchange)
}

/**
 * Somebody has the cookie of a session that began elsewhere. It is refused as one that has ended: a
 * thief learns nothing, and the browser of an honest user signs in once more.
 */
function refuseElsewhere(
  exchange: Exchange,
  { kind, fault }: Exclude<BindingVerdict, { kind: 'fits' }>,
): Refusal {
  // The session's user is not who calls: nothing of the session is told or counted as theirs.
  exchange.session = undefined
  exchange.sessionState = 'elsewhere'
  exchange.bindingFault = fault
  return kind === 'reauthorize'
    ? refuse('REAUTHORIZATION_REQUIRED', 'the network has changed; visit login_url once', {
        extensions: { login_url: SILENT_LOGIN },
      })
    : refuse('SESSION_EXPIRED', SESSION_ENDED)
}

/**
 * The attack: another site's page opens a WebSocket, to which the browser adds the user's cookie.
 * There is no preflight, and no script can send a CSRF token with it: what the page cannot forge is
 * its `Origin`, and so a missing one is refused, too.
 */
function refuseOrigin(exchange: Exchange, origin: string | undefined): Refusal | undefined {
  const allowed = origin !== undefined && exchange.frontend.trustedOrigins.has(origin)
  exchange.originSeen = { ...(origin === undefined ? {} : { origin }), allowed }
  if (allowed) return undefined
  return refuse(
    'ORIGIN_FORBIDDEN',
    origin === undefined
      ? 'a WebSocket with a session needs the Origin header of one of our pages'
      : 'the Origin of this WebSocket is neither ours nor in cors.allow_origins',
  )
}

/**
 * The token of the exchange's session for its service.
 *
 * @param rejected a token that the service has just refused.
 */
export async function obtainToken(
  deps: AuthorizeDeps,
  exchange: Exchange,
  rejected?: ServiceToken,
): Promise<Authorized> {
  const { config, frontend, session, route } = exchange
  const service = route?.route.target_service ?? ''
  if (session === undefined) throw new Error('a token was asked for without a session')
  const requirement = config.requirements.get(service)
  if (requirement === undefined) {
    exchange.tokenFound = false
    exchange.token = { source: 'none' }
    return noToken(exchange, 'NO_TOKEN_AVAILABLE')
  }
  const kept = rejected === undefined ? deps.broker.usable(session, requirement) : undefined
  const outcome = kept
    ? ({ kind: 'token', token: kept, minted: false } as const)
    : await deps.broker.tokenFor(session, requirement, config.version, rejected)
  exchange.tokenFound = outcome.kind === 'token'
  exchange.token = tokenSeen(requirement, outcome, deps.now())
  // The refresh on the way to the token may just have told.
  if (session.raised) return MORE_RIGHTS
  switch (outcome.kind) {
    case 'token': {
      const userAssertion =
        requirement.mint === 'client_credentials'
          ? await deps.assertion(
              session.user,
              principalIn(config.idps, session),
              requirement.audience,
              deps.now(),
            )
          : undefined
      return {
        kind: 'authorized',
        credentials: {
          authorization: `${outcome.token.jkt === undefined ? 'Bearer' : 'DPoP'} ${outcome.token.token}`,
          userAssertion,
          token: outcome.token,
        },
      }
    }
    case 'none':
      if (outcome.refusal !== undefined && wouldAskMore(config, frontend, session.requested)) {
        exchange.token.reauthorize = true
        return refuse(
          'REAUTHORIZATION_REQUIRED',
          `${service} needs a wider sign-in than this session's; visit login_url once`,
          { service, extensions: { login_url: SILENT_LOGIN } },
        )
      }
      return noToken(exchange, outcome.code)
    case 'session_ended':
      exchange.sessionState = 'ended'
      exchange.sessionEnded = outcome.reason
      return refuse('SESSION_EXPIRED', SESSION_ENDED)
    case 'unavailable':
      return refuse(
        'IDP_UNAVAILABLE',
        'the identity provider did not answer; the session is kept, try again',
        { service, headers: retryAfter(outcome) },
      )
  }
}

function noToken({ route, config }: Exchange, code: NoToken['code']): Refusal {
  const service = route?.route.target_service ?? ''
  return refuse(
    code,
    `no access token for ${service} could be obtained; an administrator can see why`,
    { service, extensions: { config_version: config.version } },
  )
}

/** What the request showed of its token; never the token. */
function tokenSeen(requirement: TokenRequirement, outcome: TokenOutcome, now: number): TokenSeen {
  const seen = {
    mint: requirement.mint,
    requested_audience: requirement.audience,
    requested_scopes: requirement.scopes,
  }
  switch (outcome.kind) {
    case 'token':
      return {
        ...seen,
        source: outcome.minted ? 'minted' : 'kept',
        age_seconds: now - outcome.token.mintedAt,
        expires_in_seconds: outcome.token.expiresAt - now,
        config_version: outcome.token.configVersion,
        issued_audiences: [outcome.token.audience],
        issued_scopes: outcome.token.scopes,
      }
    case 'unavailable':
      return { ...seen, source: 'none', idp_away: outcome.reason }
    case 'session_ended':
      return { ...seen, source: 'none' }
    case 'none': {
      const { refusal, unfit, found, expected, clockAheadSeconds } = outcome
      return {
        ...seen,
        source: 'none',
        ...(refusal === undefined ? {} : { idp_error: refusal.error }),
        ...(refusal?.description === undefined ? {} : { idp_description: refusal.description }),
        ...(unfit === undefined ? {} : { unfit: { code: unfit, found, expected } }),
        ...(clockAheadSeconds === undefined ? {} : { clock_ahead_seconds: clockAheadSeconds }),
      }
    }
  }
}

async function authorizeBearer(deps: AuthorizeDeps, exchange: Exchange): Promise<Authorized> {
  const { config, req, route } = exchange
  const service = route?.route.target_service ?? ''
  const requirement = config.requirements.get(service)
  if (requirement === undefined) {
    exchange.tokenFound = false
    exchange.token = { source: 'none' }
    return noToken(exchange, 'NO_TOKEN_AVAILABLE')
  }
  const presented = req.headers.authorization
  const verification = await deps.bearers().verify(presented, requirement.audience)
  exchange.tokenFound = verification.kind === 'verified'
  switch (verification.kind) {
    case 'verified':
      exchange.subject = verification.token.subject
      exchange.subjectRoles = verification.token.roles
      return { kind: 'authorized', credentials: { ...NO_CREDENTIALS, authorization: presented } }
    case 'unavailable':
      return refuse(
        'IDP_UNAVAILABLE',
        'the keys of the identity provider could not be read; try again',
        { service, headers: retryAfter() },
      )
    case 'refused':
      return refuse(
        presented === undefined ? 'TOKEN_REQUIRED' : 'TOKEN_INVALID',
        verification.description,
        { service, headers: { 'WWW-Authenticate': verification.challenge } },
      )
  }
}
