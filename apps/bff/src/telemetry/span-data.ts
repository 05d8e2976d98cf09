import { type Attributes, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { Passage } from '../proxy/exchange.ts'
import { nextSpanId, type TraceContext } from '../proxy/trace-context.ts'

/** A span that has ended. Times are milliseconds of `performance.now()`. */
export interface SpanData {
  traceId: string
  spanId: string
  parentId: string | undefined
  name: string
  kind: SpanKind
  startedAt: number
  endedAt: number
  status: SpanStatusCode
  attributes: Attributes
}

/** As the semantic conventions name the rest, whatever a client sends. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT'])

/**
 * The spans of a request that is over: the request, and within it asking the IdP for a token and
 * asking the backend. From what is known of it at its end, so that nothing is done on its way. By the
 * semantic conventions for HTTP; never a token, a cookie, a query, or who the user is.
 */
export function spansOf(passage: Passage, trace: TraceContext, endedAt: number): SpanData[] {
  const { startedAt, sessionMs, decisionMs, upstream, token } = passage
  const { traceId } = trace
  const asked = upstream !== undefined
  // The backend's parent is the span of asking it; the log names the same.
  const serverId = asked ? nextSpanId() : trace.spanId
  const server: SpanData = {
    ...{ traceId, spanId: serverId, parentId: trace.parentId, startedAt, endedAt },
    kind: SpanKind.SERVER,
    ...serverPart(passage),
  }
  const spans = [server]
  const child = { traceId, parentId: serverId }
  const minted = token?.source === 'minted'
  if (minted || token?.idp_error !== undefined || token?.idp_away !== undefined || token?.unfit) {
    spans.push({
      ...{ ...child, spanId: nextSpanId(), kind: SpanKind.INTERNAL },
      startedAt: startedAt + sessionMs,
      endedAt: startedAt + Math.max(sessionMs, decisionMs),
      ...mintPart(passage),
    })
  }
  if (asked) {
    spans.push({
      ...{ ...child, spanId: trace.spanId, kind: SpanKind.CLIENT },
      ...{ startedAt: startedAt + decisionMs, endedAt },
      ...clientPart(passage, upstream),
    })
  }
  return spans
}

type Part = Pick<SpanData, 'name' | 'status' | 'attributes'>

const methodOf = ({ method }: Passage) => (METHODS.has(method) ? method : '_OTHER')

function serverPart(passage: Passage): Part {
  const { req, res, route, frontend, path, problem, correlationId, config } = passage
  const method = methodOf(passage)
  const pattern = route?.route.path
  const status = res.headersSent ? res.statusCode : undefined
  const failed = status === undefined || status >= 500
  const { hostname, port } = frontend.publicUrl
  return {
    name: pattern === undefined ? method : `${method} ${pattern}`,
    status: failed ? SpanStatusCode.ERROR : SpanStatusCode.UNSET,
    attributes: {
      'http.request.method': method,
      'url.scheme': 'encrypted' in req.socket ? 'https' : 'http',
      'url.path': path.slice(0, 2048),
      'server.address': hostname,
      ...(port === '' ? {} : { 'server.port': Number(port) }),
      ...(pattern === undefined ? {} : { 'http.route': pattern }),
      ...(status === undefined ? {} : { 'http.response.status_code': status }),
      ...(failed
        ? { 'error.type': problem ?? (status === undefined ? 'aborted' : `${status}`) }
        : {}),
      ...(problem === undefined ? {} : { 'audience_bridge.problem': problem }),
      ...(route === undefined ? {} : { 'audience_bridge.service': route.route.target_service }),
      'audience_bridge.correlation_id': correlationId,
      'audience_bridge.config_version': config.version,
    },
  }
}

function mintPart({ route, token }: Passage): Part {
  const service = route?.route.target_service ?? ''
  const error = token?.idp_error ?? token?.unfit?.code ?? (token?.idp_away && 'idp_away')
  return {
    name: `mint ${service}`,
    status: error === undefined ? SpanStatusCode.UNSET : SpanStatusCode.ERROR,
    attributes: {
      'audience_bridge.service': service,
      ...(token?.mint === undefined ? {} : { 'audience_bridge.mint': token.mint }),
      ...(token?.requested_audience === undefined
        ? {}
        : { 'audience_bridge.audience': token.requested_audience }),
      ...(error === undefined ? {} : { 'error.type': error }),
    },
  }
}

function clientPart(passage: Passage, upstream: NonNullable<Passage['upstream']>): Part {
  const method = methodOf(passage)
  const base = new URL(upstream.base_url)
  const port = base.port || (base.protocol === 'https:' ? '443' : '80')
  const { status, failure, attempts } = upstream
  // To who asks, every error answer is one (semantic conventions for HTTP clients).
  const failed = status === undefined || status >= 400
  return {
    name: method,
    status: failed ? SpanStatusCode.ERROR : SpanStatusCode.UNSET,
    attributes: {
      'http.request.method': method,
      'server.address': base.hostname,
      'server.port': Number(port),
      ...(status === undefined ? {} : { 'http.response.status_code': status }),
      ...(failed ? { 'error.type': failure ?? String(status) } : {}),
      ...(attempts > 1 ? { 'http.request.resend_count': attempts - 1 } : {}),
    },
  }
}
