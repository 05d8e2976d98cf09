import type { BrokenLink } from '@audience-bridge/chain/link.ts'
import type { ProblemCode } from '@audience-bridge/contracts/problem.ts'
import type { ProblemMore } from '../problems.ts'
import { readCookie } from '../session/cookie.ts'
import { csrfFault } from '../session/csrf.ts'
import type { ServiceToken } from '../session/session.ts'
import type { Sessions } from '../session/sessions.ts'
import type { UserAssertion } from '../tokens/assertion.ts'
import type { BearerVerifiers } from '../tokens/bearer.ts'
import type { NoToken, TokenBroker } from '../tokens/broker.ts'
import { type Exchange, isAdmin } from './exchange.ts'

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

export interface AuthorizeDeps {
  sessions: Sessions
  broker: TokenBroker
  bearers: BearerVerifiers
  assertion: UserAssertion
  now: () => number
}

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

/** Session, then CSRF, then token: the first that fails decides (design rule 6). */
export function authorize(deps: AuthorizeDeps, exchange: Exchange): Promise<Authorized> {
  switch (exchange.route?.route.auth) {
    case 'session':
      return authorizeSession(deps, exchange)
    case 'bearer':
      return authorizeBearer(deps, exchange)
    default:
      return Promise.resolve({ kind: 'authorized', credentials: NO_CREDENTIALS })
  }
}

async function authorizeSession(deps: AuthorizeDeps, exchange: Exchange): Promise<Authorized> {
  const { req, config } = exchange
  const cookie = readCookie(req.headers.cookie, config.cookies.sessionName)
  const cached = cookie === undefined ? undefined : deps.sessions.peek(cookie)
  if (cached !== undefined) exchange.session = cached
  else {
    const found = await deps.sessions.find(cookie)
    if (found.kind === 'none') {
      return refuse(
        'SESSION_REQUIRED',
        'sign in at /auth/login and call again with the session cookie',
      )
    }
    if (found.kind === 'ended') {
      return refuse('SESSION_EXPIRED', 'the session has ended; sign in again at /auth/login')
    }
    exchange.session = found.session
  }
  const { session } = exchange
  exchange.subject = session.user.sub
  exchange.subjectRoles = session.user.roles

  const fault = csrfFault(
    {
      method: exchange.method,
      origin: req.headers.origin,
      fetchSite: headerText(req.headers['sec-fetch-site']),
      token: headerText(req.headers['x-csrf-token']),
    },
    session.ticket.csrf,
    config.trustedOrigins,
  )
  if (fault !== undefined) {
    return refuse(
      'CSRF_REJECTED',
      `${fault}; send the csrf_token of GET /api/auth/session as X-CSRF-Token`,
    )
  }
  deps.sessions.touch(session)
  return obtainToken(deps, exchange)
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
  const { config, session, route } = exchange
  const service = route?.route.target_service ?? ''
  if (session === undefined) throw new Error('a token was asked for without a session')
  const requirement = config.requirements.get(service)
  if (requirement === undefined) {
    exchange.tokenFound = false
    return noToken(exchange, 'NO_TOKEN_AVAILABLE', undefined)
  }
  const kept = rejected === undefined ? deps.broker.usable(session, requirement) : undefined
  const outcome = kept
    ? ({ kind: 'token', token: kept } as const)
    : await deps.broker.tokenFor(session, requirement, config.version, rejected)
  exchange.tokenFound = outcome.kind === 'token'
  switch (outcome.kind) {
    case 'token': {
      const userAssertion =
        requirement.mint === 'client_credentials'
          ? await deps.assertion.sign(session.user, requirement.audience, deps.now())
          : undefined
      return {
        kind: 'authorized',
        credentials: {
          authorization: `Bearer ${outcome.token.token}`,
          userAssertion,
          token: outcome.token,
        },
      }
    }
    case 'none':
      return noToken(exchange, outcome.code, outcome)
    case 'session_ended':
      return refuse('SESSION_EXPIRED', 'the session has ended; sign in again at /auth/login')
    case 'unavailable':
      return refuse(
        'IDP_UNAVAILABLE',
        'the identity provider did not answer; the session is kept, try again',
        {
          service,
          headers: { 'Retry-After': '5' },
          ...(isAdmin(session) ? { extensions: { reason: outcome.reason } } : {}),
        },
      )
  }
}

function noToken(exchange: Exchange, code: NoToken['code'], outcome: NoToken | undefined): Refusal {
  const { route, session, config } = exchange
  const service = route?.route.target_service ?? ''
  const link = brokenLinkOf(exchange, outcome)
  return refuse(
    code,
    `no access token for ${service} could be obtained; an administrator can see why`,
    {
      service,
      extensions: { config_version: config.version },
      brokenLink: isAdmin(session) ? link : undefined,
    },
  )
}

/** The link that the files show broken, or what came back from the IdP as one. */
export function brokenLinkOf(
  exchange: Exchange,
  outcome: NoToken | undefined,
): BrokenLink | undefined {
  const judged = exchange.config.chains.get(exchange.route?.route.id ?? '')?.broken
  if (judged !== undefined || outcome === undefined) return judged
  return {
    link: 'token',
    state: 'broken',
    code: outcome.code === 'AUDIENCE_MISMATCH' ? 'issued_audience_differs' : 'token_refused',
    found: outcome.found,
    expected: outcome.expected,
    at: undefined,
    mend: "the BFF's files line up; change the IdP's side as its words say",
  }
}

async function authorizeBearer(deps: AuthorizeDeps, exchange: Exchange): Promise<Authorized> {
  const { config, req, route } = exchange
  const service = route?.route.target_service ?? ''
  const requirement = config.requirements.get(service)
  if (requirement === undefined) {
    exchange.tokenFound = false
    return noToken(exchange, 'NO_TOKEN_AVAILABLE', undefined)
  }
  const presented = req.headers.authorization
  const verification = await deps.bearers.verify(presented, requirement.audience)
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
        {
          service,
          headers: { 'Retry-After': '5' },
        },
      )
    case 'refused':
      return refuse(
        presented === undefined ? 'TOKEN_REQUIRED' : 'TOKEN_INVALID',
        verification.description,
        { service, headers: { 'WWW-Authenticate': verification.challenge } },
      )
  }
}

const headerText = (value: string | string[] | undefined) =>
  typeof value === 'string' ? value : undefined
