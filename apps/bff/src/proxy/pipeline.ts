import { pipeline } from 'node:stream'
import type { ProblemCode } from '@audience-bridge/contracts/problem.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import { answerProblem, type ProblemMore } from '../problems.ts'
import {
  type AuthorizeDeps,
  type Authorized,
  authorize,
  brokenLinkOf,
  type Credentials,
  obtainToken,
  refuse,
} from './authorize.ts'
import { corsHeaders } from './cors.ts'
import { type Exchange, isAdmin } from './exchange.ts'
import { forwardHeaders, returnHeaders } from './headers.ts'
import { rewriteLocation, upstreamTarget } from './location.ts'
import { type Rejection, rejectionBy } from './rejection.ts'
import type { UpstreamAnswer, UpstreamResponse, Upstreams } from './upstream.ts'

/**
 * The way of a request that a route matched: session, CSRF, token, backend, and back. Each step
 * either goes on or refuses; what a backend answers is streamed, never held.
 */
export interface PipelineDeps extends AuthorizeDeps {
  upstreams: Upstreams
  log: Logger
}

export async function proxy(deps: PipelineDeps, exchange: Exchange): Promise<void> {
  let authorized: Authorized
  try {
    authorized = await authorize(deps, exchange)
  } catch (cause) {
    deps.log.error({ err: cause, correlation_id: exchange.correlationId }, 'session store failed')
    authorized = refuse('STORE_UNAVAILABLE', 'the session store did not answer; try again', {
      headers: { 'Retry-After': '2' },
    })
  }
  exchange.decisionMs = performance.now() - exchange.startedAt
  if (authorized.kind === 'refused') {
    if (authorized.code === 'NO_TOKEN_AVAILABLE' || authorized.code === 'AUDIENCE_MISMATCH') {
      logNoToken(deps.log, exchange, authorized.code)
    }
    return sendProblem(exchange, authorized.code, authorized.detail, authorized.more)
  }
  const abort = new AbortController()
  exchange.res.once('close', () => {
    if (!exchange.res.writableFinished) abort.abort()
  })
  const { credentials } = authorized
  const answer = await sendUpstream(deps, exchange, credentials, abort.signal)
  if (answer.kind === 'response' && answer.status === 401 && credentials.token !== undefined) {
    return tokenRejected(deps, exchange, credentials, answer, abort.signal)
  }
  return finish(deps, exchange, answer)
}

function sendUpstream(
  deps: PipelineDeps,
  exchange: Exchange,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<UpstreamAnswer> {
  const { req, route, config, captures, query } = exchange
  const service = route?.route.target_service ?? ''
  const base = config.bases.get(service)
  if (route === undefined || base === undefined) {
    return Promise.resolve({
      kind: 'unreachable',
      reason: `services.${service}.base_url is missing`,
    })
  }
  const timeoutMs = (config.bridge.routes.services[service]?.timeout ?? 30) * 1000
  const address = req.socket.remoteAddress ?? ''
  const headers = forwardHeaders(req.rawHeaders, {
    client: {
      address,
      trusted: config.isTrustedProxy(address),
      proto: 'encrypted' in req.socket ? 'https' : 'http',
      host: req.headers.host ?? config.publicUrl.host,
    },
    correlationId: exchange.correlationId,
    authorization: credentials.authorization,
    userAssertion: credentials.userAssertion,
  })
  const length = req.headers['content-length']
  if (length !== undefined) headers.push('Content-Length', length)
  return deps.upstreams.send(base.origin, {
    method: exchange.method,
    path: upstreamTarget(base, route, captures, query),
    headers,
    body: hasBody(exchange) ? req : undefined,
    headTimeoutMs: timeoutMs,
    pauseTimeoutMs: route.route.streaming ? 0 : timeoutMs,
    signal,
  })
}

/** RFC 9112 §6.3: a request has a body exactly when its head frames one. */
function hasBody({ req }: Exchange): boolean {
  const length = req.headers['content-length']
  return req.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

/**
 * A backend refused our token: once more with a new one, if the request can be repeated; then the
 * browser is told that the bridge is at fault, never that its session is.
 */
async function tokenRejected(
  deps: PipelineDeps,
  exchange: Exchange,
  credentials: Credentials,
  first: UpstreamResponse,
  signal: AbortSignal,
): Promise<void> {
  let answer = first
  const { token } = credentials
  // A token that was minted just now is no staler than the next one would be.
  const worthRetrying = token !== undefined && deps.now() - token.mintedAt >= 1
  if (worthRetrying && !hasBody(exchange)) {
    const renewed = await obtainToken(deps, exchange, token)
    if (renewed.kind === 'authorized') {
      const second = await sendUpstream(deps, exchange, renewed.credentials, signal)
      first.body.resume()
      if (second.kind !== 'response' || second.status !== 401) return finish(deps, exchange, second)
      answer = second
    }
  }
  answer.body.on('error', () => {}).resume()
  const service = exchange.route?.route.target_service ?? ''
  const audience = exchange.config.requirements.get(service)?.audience ?? ''
  const base = exchange.config.bases.get(service)
  const rejection = await rejectionBy(deps.upstreams, base, answer, audience)
  deps.log.warn(
    {
      correlation_id: exchange.correlationId,
      service,
      code: rejection.code,
      challenge: rejection.challenge,
      backend_audience: rejection.backendAudience,
    },
    `${rejection.code} token_found=True service=${service}`,
  )
  sendProblem(exchange, rejection.code, `${service} rejected the token that it was sent`, {
    service,
    brokenLink: isAdmin(exchange.session) ? brokenBackend(rejection, audience) : undefined,
  })
}

function brokenBackend(rejection: Rejection, audience: string) {
  return {
    link: 'backend' as const,
    state: 'broken' as const,
    code:
      rejection.code === 'AUDIENCE_MISMATCH' ? 'backend_audience_differs' : 'backend_rejects_token',
    found:
      rejection.backendAudience === undefined
        ? `the backend's challenge ${rejection.challenge ?? '(none)'}`
        : `a backend that expects "${rejection.backendAudience}"`,
    expected: `a backend that takes a token for "${audience}"`,
    at: undefined,
    mend: 'write the same audience in service_audiences and in the settings of the backend',
  }
}

function finish(deps: PipelineDeps, exchange: Exchange, answer: UpstreamAnswer): void {
  const service = exchange.route?.route.target_service ?? ''
  switch (answer.kind) {
    case 'response':
      return sendResponse(deps, exchange, answer)
    case 'aborted':
      exchange.res.destroy()
      return
    case 'timeout':
      return failUpstream(
        deps,
        exchange,
        'UPSTREAM_TIMEOUT',
        `${service} did not answer in time`,
        answer.reason,
      )
    case 'invalid':
      return failUpstream(
        deps,
        exchange,
        'UPSTREAM_INVALID',
        `${service} sent no valid HTTP response`,
        answer.reason,
      )
    case 'unreachable':
      return failUpstream(
        deps,
        exchange,
        'UPSTREAM_UNREACHABLE',
        `${service} cannot be reached`,
        answer.reason,
      )
  }
}

function failUpstream(
  { log }: PipelineDeps,
  exchange: Exchange,
  code: ProblemCode,
  detail: string,
  reason: string,
): void {
  const service = exchange.route?.route.target_service ?? ''
  log.warn(
    { correlation_id: exchange.correlationId, service, reason },
    `${code} service=${service}`,
  )
  const brokenLink = isAdmin(exchange.session) ? brokenLinkOf(exchange, undefined) : undefined
  sendProblem(exchange, code, detail, { service, brokenLink })
}

function sendResponse({ log }: PipelineDeps, exchange: Exchange, answer: UpstreamResponse): void {
  const { res, req, route, config } = exchange
  const base = config.bases.get(route?.route.target_service ?? '')
  const headers = returnHeaders(answer.headers, {
    cookies: config.cookies,
    location: (value) =>
      base === undefined || route === undefined
        ? undefined
        : rewriteLocation(value, base.href, route),
    private: exchange.session !== undefined,
  })
  headers.push('X-Correlation-ID', exchange.correlationId)
  for (const [name, value] of Object.entries(corsHeaders(req.headers.origin, config.corsOrigins))) {
    headers.push(name, value)
  }
  res.writeHead(answer.status, headers)
  // Server-sent events must not wait in a buffer for their first byte.
  if (route?.route.streaming) res.flushHeaders()
  pipeline(answer.body, res, (cause) => {
    if (cause && cause.code !== 'ERR_STREAM_PREMATURE_CLOSE' && cause.name !== 'AbortError') {
      log.warn(
        { correlation_id: exchange.correlationId, reason: cause.message },
        'response cut short',
      )
    }
  })
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
    },
    `${code} service=${service}`,
  )
}

export function sendProblem(
  exchange: Exchange,
  code: ProblemCode,
  detail: string,
  more: ProblemMore = {},
): void {
  const { res, req, config } = exchange
  exchange.problem = code
  if (res.headersSent) {
    res.destroy()
    return
  }
  const { status, headers, body } = answerProblem(code, detail, exchange.correlationId, more)
  res.writeHead(status, {
    ...headers,
    ...corsHeaders(req.headers.origin, config.corsOrigins),
    'Content-Length': Buffer.byteLength(body),
  })
  res.end(exchange.method === 'HEAD' ? undefined : body)
}
