import { pipeline } from 'node:stream'
import { renderExplanation } from '@audience-bridge/chain/explanation.ts'
import type { ProblemCode } from '@audience-bridge/contracts/problem.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import { explainExchange } from '../explain/observe.ts'
import { answerProblem, type ProblemMore } from '../problems.ts'
import { reachTo } from '../reach.ts'
import { corsHeaders } from './cors.ts'
import { type Exchange, isAdmin, type Passage } from './exchange.ts'
import { lowerName } from './header-names.ts'
import { returnHeaders } from './headers.ts'
import { returnTrailers, wantsTrailers } from './hops.ts'
import { rewriteLocation } from './location.ts'
import { rateState } from './rate.ts'
import type { AnswerHead, UpstreamResponse } from './upstream.ts'

/** The head of a backend's answer as the browser gets it: cleaned, with what is ours. */
export function answerHeaders(exchange: Passage, answer: AnswerHead): string[] {
  const { req, route, config, frontend } = exchange
  const service = route?.route.target_service ?? ''
  const base = config.bases.get(service)
  const headers = returnHeaders(answer.headers, {
    cookies: config.frontends.cookies,
    location: (value) =>
      base === undefined || route === undefined
        ? undefined
        : rewriteLocation(
            value,
            base.href,
            route,
            config.bridge.routes.services[route.route.target_service]?.upstreams,
          ),
    private: exchange.session !== undefined,
    pages: route?.route.serves_pages === true,
  })
  headers.push('X-Correlation-ID', exchange.correlationId)
  const { via } = config.bridge.settings.server
  if (via !== false) headers.push('Via', `${reachTo(config, service).http2 ? '2.0' : '1.1'} ${via}`)
  if (frontend.corsOrigins.size > 0) {
    const cors = corsHeaders(req.headers.origin, frontend.corsOrigins)
    for (const [name, value] of Object.entries(cors)) headers.push(name, value)
  }
  const { rate } = exchange
  if (rate !== undefined) {
    headers.push('RateLimit-Policy', rate.policy, 'RateLimit', rateState(rate, exchange.rateMs))
  }
  if (isAdmin(exchange.session)) headers.push('Server-Timing', timing(exchange))
  exchange.eventStream = isEventStream(answer.headers)
  return headers
}

/** Streams a backend's answer to the browser, cleaned. */
export function sendResponse(log: Logger, exchange: Exchange, answer: UpstreamResponse): void {
  const { req, res, route } = exchange
  res.writeHead(answer.status, answerHeaders(exchange, answer))
  // Server-sent events must not wait in a buffer for their first byte.
  if (route?.route.streaming || exchange.eventStream) res.flushHeaders()
  const { trailers } = answer
  if (trailers !== undefined && wantsTrailers(req.headers)) {
    answer.body.once('end', () => res.addTrailers(returnTrailers(trailers)))
  }
  pipeline(answer.body, res, (cause) => {
    if (cause && cause.code !== 'ERR_STREAM_PREMATURE_CLOSE' && cause.name !== 'AbortError') {
      log.warn(
        { correlation_id: exchange.correlationId, reason: cause.message },
        'response cut short',
      )
    }
  })
}

/** Where the time went, for administrators' own requests: it tells whether a token was minted. */
function timing({ startedAt, sessionMs, decisionMs }: Passage): string {
  const parts = {
    session: sessionMs,
    token: decisionMs - sessionMs,
    upstream: performance.now() - startedAt - decisionMs,
  }
  return Object.entries(parts)
    .map(([name, ms]) => `${name};dur=${Math.max(0, ms).toFixed(2)}`)
    .join(', ')
}

const isEventStream = (raw: readonly string[]) =>
  raw.some(
    (name, i) =>
      i % 2 === 0 &&
      lowerName(name) === 'content-type' &&
      raw[i + 1]?.toLowerCase().startsWith('text/event-stream') === true,
  )

/** Answers a problem; an administrator is also told which link broke and how to mend it. */
export function sendProblem(
  exchange: Exchange,
  code: ProblemCode,
  detail: string,
  more: ProblemMore = {},
): void {
  const { res, req, frontend } = exchange
  exchange.problem = code
  if (res.headersSent) {
    res.destroy()
    return
  }
  const { status, headers, body } = answerProblem(code, detail, exchange.correlationId, {
    ...more,
    ...(isAdmin(exchange.session) ? forAdministrators(exchange, code) : {}),
  })
  res.writeHead(status, {
    ...headers,
    ...corsHeaders(req.headers.origin, frontend.corsOrigins),
    'Content-Length': Buffer.byteLength(body),
  })
  res.end(req.method === 'HEAD' ? undefined : body)
}

function forAdministrators(exchange: Exchange, code: ProblemCode): ProblemMore {
  const explanation = explainExchange(exchange, code)
  return { brokenLink: explanation.broken, explanation: renderExplanation(explanation) }
}
