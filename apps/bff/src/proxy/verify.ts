import { readTarget } from '@audience-bridge/chain/request-path.ts'
import type { SessionUser } from '@audience-bridge/contracts/session.ts'
import { isSafeMethod } from '../session/csrf.ts'
import type { Session } from '../session/session.ts'
import { type Credentials, identify } from './authorize.ts'
import { corsHeaders } from './cors.ts'
import { type EdgeAsk, readEdgeAsk } from './edge.ts'
import type { Exchange } from './exchange.ts'
import { matchRoute } from './match.ts'
import { decide, orExcuse, type PipelineDeps } from './pipeline.ts'
import { sendProblem } from './reply.ts'

/**
 * `/auth/verify`, alias `/auth/forward`, whatever the method: a proxy in front (nginx, Caddy, Traefik,
 * Envoy) asks before it carries a request itself. 200 or a problem, never a redirect: where to sign in
 * is the page's business.
 *
 * Without the edge's secret it says who is signed in, to whoever has the cookie: no more than
 * `/api/auth/session` says. With it, the original request is judged as if it had come here itself, and
 * the answer carries what the backend is to get. Either counts as activity of the session, for there
 * is a user's request behind it.
 */
export async function verify(deps: PipelineDeps, exchange: Exchange): Promise<void> {
  const { req, config } = exchange
  exchange.verify = true
  const ask = readEdgeAsk(req.headers, req.socket.remoteAddress ?? '', config)
  switch (ask.kind) {
    case 'request':
      return judgeOriginal(deps, exchange, ask)
    case 'untrusted':
      return refuseEdge(deps, exchange, ask.fault)
    case 'identity': {
      const refusal = await orExcuse(deps, exchange, () => identify(deps, exchange))
      if (refusal !== undefined) {
        return sendProblem(exchange, refusal.code, refusal.detail, refusal.more)
      }
      if (exchange.session !== undefined) deps.sessions.touch(exchange.session)
      return sendVerified(exchange, [], 0)
    }
  }
}

async function judgeOriginal(
  deps: PipelineDeps,
  exchange: Exchange,
  ask: Extract<EdgeAsk, { kind: 'request' }>,
): Promise<void> {
  exchange.edge = {}
  exchange.method = ask.method
  const target = readTarget(ask.uri)
  if (target.kind === 'refused') {
    exchange.path = '(refused)'
    return sendProblem(exchange, 'PATH_AMBIGUOUS', `${target.reason}; send one plain path`)
  }
  exchange.path = target.path
  exchange.query = target.query
  const missing = matchRoute(exchange)
  if (missing !== undefined) {
    return sendProblem(exchange, missing.code, missing.detail, missing.more)
  }
  const service = exchange.route?.route.target_service
  // A location that leads to one backend must not be given the token of another.
  if (ask.service !== undefined && ask.service !== service) {
    const fault = `X-Edge-Service ${ask.service.slice(0, 64)} for a route of ${service}`
    return refuseEdge(deps, exchange, fault)
  }
  const authorized = await decide(deps, exchange)
  if (authorized.kind === 'refused') {
    return sendProblem(exchange, authorized.code, authorized.detail, authorized.more)
  }
  const { credentials } = authorized
  // Each request needs a proof of its own, by a key that never leaves the BFF (RFC 9449).
  if (credentials.token?.jkt !== undefined) {
    const detail = `tokens for ${service} are bound to a key of the BFF (DPoP): let the BFF carry this route`
    return sendProblem(exchange, 'ACCESS_DENIED', detail, { service })
  }
  const headers: string[] = []
  if (credentials.authorization !== undefined) {
    headers.push('Authorization', credentials.authorization)
  }
  if (credentials.userAssertion !== undefined) {
    headers.push('X-User-Assertion', credentials.userAssertion)
  }
  sendVerified(exchange, headers, cacheSeconds(exchange, credentials, deps.now()))
}

function refuseEdge({ log }: PipelineDeps, exchange: Exchange, fault: string): void {
  exchange.edge = { fault }
  log.warn({ correlation_id: exchange.correlationId, reason: fault }, 'EDGE_UNTRUSTED')
  sendProblem(exchange, 'ACCESS_DENIED', 'no token for this caller; the log of the BFF says why')
}

/** How long the proxy may use the answer for further requests like this one. */
function cacheSeconds(
  { route, session, method, config }: Exchange,
  { token }: Credentials,
  now: number,
): number {
  // An unsafe request proves its origin each time.
  if (route?.route.auth !== 'session' || session === undefined || !isSafeMethod(method)) return 0
  return Math.max(
    0,
    Math.min(
      config.bridge.settings.edge?.cache_seconds ?? 0,
      Math.floor(session.expiresAt - now),
      // It must still be good when it arrives.
      Math.floor((token?.expiresAt ?? now) - now) - 1,
    ),
  )
}

const BODY = JSON.stringify({ status: 'authenticated' })

function sendVerified(exchange: Exchange, headers: readonly string[], seconds: number): void {
  const { req, res, session, subject, frontend, correlationId } = exchange
  res.writeHead(200, [
    ...['Content-Type', 'application/json', 'Content-Length', String(BODY.length)],
    ...['X-Correlation-ID', correlationId],
    ...(session === undefined ? [] : identityHeaders(session, subject)),
    ...headers,
    ...(seconds > 0 ? cacheHeaders(seconds) : ['Cache-Control', 'no-store']),
    ...Object.entries(corsHeaders(req.headers.origin, frontend.corsOrigins)).flat(),
  ])
  res.end(req.method === 'HEAD' ? undefined : BODY)
}

/** nginx takes `X-Accel-Expires` before `Cache-Control`, whose `private` is for everybody else. */
const cacheHeaders = (seconds: number) => [
  ...['X-Accel-Expires', String(seconds), 'Cache-Control', `private, max-age=${seconds}`],
  ...['Vary', 'Cookie, User-Agent, X-Edge-Secret, X-Edge-Service'],
]

function identityHeaders(
  { user, ticket, createdAt }: Session,
  /** Who it is among the users of all IdPs. */
  sub = user.sub,
): string[] {
  return [
    // Names the session in two logs; opens nothing.
    ...['X-Session-ID', `${ticket.id.slice(0, 8)}...`],
    ...['X-Auth-Time', new Date(createdAt * 1000).toISOString()],
    ...userHeaders({ ...user, sub }),
  ]
}

function userHeaders({ sub, email, name }: SessionUser): string[] {
  const headers = { 'X-User-ID': sub, 'X-User-Email': email, 'X-User-Name': name }
  return Object.entries(headers).flatMap(([field, text]) => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a line break would begin a header of its own
    if (text === undefined || /[\x00-\x1f\x7f]/.test(text)) return []
    // As UTF-8, which Node writes when it is given the bytes as Latin-1.
    return [field, Buffer.from(text, 'utf8').toString('latin1')]
  })
}
