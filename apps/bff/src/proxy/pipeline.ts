import { methodsOf } from '@audience-bridge/chain/route-table.ts'
import type { ProblemCode } from '@audience-bridge/contracts/problem.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import { type ProblemMore, retryAfter } from '../problems.ts'
import { reachTo } from '../reach.ts'
import type { Channels } from '../session/channels.ts'
import { StoreUnavailable } from '../session/store-guard.ts'
import { takeSlot } from './ask.ts'
import {
  type AuthorizeDeps,
  type Authorized,
  authorize,
  type Credentials,
  obtainToken,
  type Refusal,
  refuse,
  SESSION_ENDED,
} from './authorize.ts'
import { dropRest, hasBody, maxBodyBytes, saysTooMuch } from './body.ts'
import type { Callers } from './callers.ts'
import type { Exchange } from './exchange.ts'
import { type ForwardDeps, forward } from './forward.ts'
import type { Switched } from './handshake.ts'
import { hopsLeft } from './hops.ts'
import { endWithSession } from './lasting.ts'
import { rejectionBy } from './rejection.ts'
import { sendProblem, sendResponse } from './reply.ts'
import { switchProtocols, upgradeFault } from './upgrade.ts'
import type { UpstreamAnswer, UpstreamResponse } from './upstream.ts'

/**
 * The way of a request that a route matched: session, CSRF, token, backend, and back. Each step
 * either goes on or refuses; what a backend answers is streamed, never held.
 */
export interface PipelineDeps extends AuthorizeDeps, ForwardDeps {
  callers: Callers
  /** How many WebSockets a caller may have: they last, and plain requests need their share. */
  socketCallers: Callers
  /** What is open for each session. */
  channels: Channels
  log: Logger
}

export async function proxy(deps: PipelineDeps, exchange: Exchange): Promise<void> {
  const { res, upgrade } = exchange
  const unfit = upgrade && upgradeFault(exchange)
  const authorized = unfit ?? (await decide(deps, exchange))
  if (authorized.kind === 'refused') {
    return sendProblem(exchange, authorized.code, authorized.detail, authorized.more)
  }
  // Who left meanwhile tells nobody again: what is taken from here on would never be given back.
  if (res.destroyed || res.closed) return
  if (upgrade === undefined) res.once('finish', () => dropRest(exchange.req))
  if (saysTooMuch(exchange)) return sendTooLarge(exchange)
  if (hopsLeft(exchange.method, exchange.req.headers) === 0) return answerOptions(exchange)
  const caller = exchange.session?.ticket.id ?? exchange.req.socket.remoteAddress ?? ''
  const leave = (upgrade === undefined ? deps.callers : deps.socketCallers).enter(caller)
  if (leave === undefined) {
    return sendProblem(
      exchange,
      'OVERLOADED',
      'too many of your requests are under way; let some end',
      { headers: retryAfter({ retryAfterSeconds: 1 }) },
    )
  }
  const abort = new AbortController()
  const over =
    upgrade === undefined ? endWithSession(deps.channels, exchange, () => abort.abort()) : undefined
  res.once('close', () => {
    leave()
    over?.()
    if (!res.writableFinished) abort.abort()
  })
  if ((await takeSlot(deps, exchange, abort.signal)) === 'none') {
    if (abort.signal.aborted) return finish(deps, exchange, { kind: 'aborted' })
    const service = exchange.route?.route.target_service ?? ''
    const detail = `${service} has as many requests under way as it may have; try again`
    return sendProblem(exchange, 'OVERLOADED', detail, {
      service,
      headers: retryAfter({ retryAfterSeconds: 1 }),
    })
  }
  const credentials = exchange.begun?.credentials ?? authorized.credentials
  const answer = await forward(deps, exchange, credentials, abort.signal)
  if (answer.kind === 'response' && answer.status === 401 && credentials.token !== undefined) {
    return tokenRejected(deps, exchange, credentials, answer, abort.signal)
  }
  return finish(deps, exchange, answer)
}

/** RFC 9110 §7.6.2: a request that may go no further is answered by whom it has reached. */
function answerOptions({ res, route, correlationId }: Exchange): void {
  const allow = route === undefined ? '' : methodsOf(route).join(', ')
  res.writeHead(204, { Allow: allow, 'X-Correlation-ID': correlationId })
  res.end()
}

/** Whether the exchange's route may be called, and with what: the same for each way of carrying it. */
export async function decide(deps: PipelineDeps, exchange: Exchange): Promise<Authorized> {
  const authorized = await orExcuse(deps, exchange, () => authorize(deps, exchange))
  exchange.decisionMs = performance.now() - exchange.startedAt
  if (authorized.kind === 'refused') {
    const { code } = authorized
    if (code === 'NO_TOKEN_AVAILABLE' || code === 'AUDIENCE_MISMATCH') {
      logNoToken(deps.log, exchange, code)
    }
  }
  return authorized
}

/** A store that is away is a 503 of its own, never a missing session. */
export async function orExcuse<T>(
  deps: PipelineDeps,
  exchange: Exchange,
  ask: () => Promise<T>,
): Promise<T | Refusal> {
  try {
    return await ask()
  } catch (cause) {
    if (!(cause instanceof StoreUnavailable)) throw cause
    exchange.storeFault = cause.message
    deps.log.error(
      { err: cause, correlation_id: exchange.correlationId },
      'STORE_UNAVAILABLE the session store does not answer',
    )
    return refuse('STORE_UNAVAILABLE', 'the session store did not answer; try again', {
      headers: { 'Retry-After': '2' },
    })
  }
}

/**
 * Refusals of the second token that say more than the backend's 401: the IdP has ended the login
 * and the backend knew it first, or somebody is away.
 */
const SPEAKS_FOR_ITSELF = new Set<ProblemCode>([
  'SESSION_EXPIRED',
  'IDP_UNAVAILABLE',
  'STORE_UNAVAILABLE',
])

/**
 * A backend refused our token: once more with a new one, if the request can be repeated; then the
 * browser is told that the bridge is at fault, never that its session is.
 */
async function tokenRejected(
  deps: PipelineDeps,
  exchange: Exchange,
  { token }: Credentials,
  first: UpstreamResponse,
  signal: AbortSignal,
): Promise<void> {
  let answer = first
  // A token that was minted just now is no staler than the next one would be.
  const worthRetrying = token !== undefined && deps.now() - token.mintedAt >= 1
  if (worthRetrying && !hasBody(exchange)) {
    // Whatever comes of it, this answer is not forwarded: its connection is wanted back.
    first.body.on('error', () => {}).resume()
    const renewed = await orExcuse(deps, exchange, () => obtainToken(deps, exchange, token))
    if (renewed.kind === 'authorized') {
      const second = await forward(deps, exchange, renewed.credentials, signal)
      if (second.kind !== 'response' || second.status !== 401) return finish(deps, exchange, second)
      answer = second
    } else if (SPEAKS_FOR_ITSELF.has(renewed.code)) {
      return sendProblem(exchange, renewed.code, renewed.detail, renewed.more)
    }
  }
  answer.body.on('error', () => {}).resume()
  const service = exchange.route?.route.target_service ?? ''
  const audience = exchange.config.requirements.get(service)?.audience ?? ''
  const base = exchange.config.bases.get(service)
  const reach = reachTo(exchange.config, service)
  const rejection = await rejectionBy(deps.upstreams, base, reach, answer, deps.now())
  if (exchange.upstream !== undefined) Object.assign(exchange.upstream, rejection)
  const differs = rejection.resource !== undefined && rejection.resource !== audience
  const code = differs ? 'AUDIENCE_MISMATCH' : 'TOKEN_REJECTED'
  deps.log.warn(
    { correlation_id: exchange.correlationId, service, code, ...rejection },
    `${code} token_found=True service=${service}`,
  )
  sendProblem(exchange, code, `${service} rejected the token that it was sent`, { service })
}

function finish(deps: PipelineDeps, exchange: Exchange, answer: UpstreamAnswer | Switched): void {
  const service = exchange.route?.route.target_service ?? ''
  const fail = (code: ProblemCode, detail: string, reason: string, more: ProblemMore = {}) => {
    deps.log.warn(
      { correlation_id: exchange.correlationId, service, reason },
      `${code} service=${service}`,
    )
    sendProblem(exchange, code, detail, { service, ...more })
  }
  switch (answer.kind) {
    case 'response':
      return sendResponse(deps.log, exchange, answer)
    case 'switched':
      return switchProtocols(deps, exchange, answer)
    case 'aborted':
      if (exchange.sessionEnded !== undefined && !exchange.res.destroyed) {
        exchange.sessionState = 'ended'
        return sendProblem(exchange, 'SESSION_EXPIRED', SESSION_ENDED)
      }
      exchange.res.destroy()
      return
    case 'too_large':
      return sendTooLarge(exchange)
    case 'suspended':
      return fail(
        'UPSTREAM_SUSPENDED',
        `${service} has failed too often just now and is left alone for a moment`,
        answer.reason,
        { headers: retryAfter({ retryAfterSeconds: answer.retrySeconds }) },
      )
    case 'timeout':
      return fail('UPSTREAM_TIMEOUT', `${service} did not answer in time`, answer.reason)
    case 'invalid':
      return fail('UPSTREAM_INVALID', `${service} sent no valid HTTP response`, answer.reason)
    case 'tls':
    case 'unreachable':
      return fail('UPSTREAM_UNREACHABLE', `${service} cannot be reached`, answer.reason)
  }
}

function sendTooLarge(exchange: Exchange): void {
  const service = exchange.route?.route.target_service ?? ''
  const detail = `${service} takes bodies of at most ${maxBodyBytes(exchange)} bytes`
  sendProblem(exchange, 'BODY_TOO_LARGE', detail, { service })
}

/** The failure log of the brief, with its exact fragment. */
function logNoToken(log: Logger, exchange: Exchange, code: ProblemCode): void {
  const service = exchange.route?.route.target_service ?? ''
  const link = exchange.config.chains.get(exchange.route?.route.id ?? '')?.broken
  log.warn(
    {
      correlation_id: exchange.correlationId,
      route_id: exchange.route?.route.id,
      service,
      code,
      audience: exchange.config.requirements.get(service)?.audience,
      broken_link: link?.code,
      idp_error: exchange.token?.idp_error,
      idp_description: exchange.token?.idp_description,
    },
    `${code} service=${service}`,
  )
}
