import type { Credentials } from './authorize.ts'
import type { Exchange } from './exchange.ts'
import { handshake, type Switched } from './handshake.ts'
import { forwardHeaders, REQUIRED_SCOPE_HEADER } from './headers.ts'
import { upstreamTarget } from './location.ts'
import { continueTrace } from './trace-context.ts'
import type { UpstreamAnswer, UpstreamRequest, Upstreams } from './upstream.ts'

/** Sends the exchange's request to its backend and notes what came of it. */
export async function forward(
  upstreams: Upstreams,
  exchange: Exchange,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<UpstreamAnswer | Switched> {
  const { req, route, config, captures, query } = exchange
  const service = route?.route.target_service ?? ''
  const base = config.bases.get(service)
  if (route === undefined || base === undefined) {
    return { kind: 'unreachable', reason: `services.${service}.base_url is missing` }
  }
  const timeoutMs = (config.bridge.routes.services[service]?.timeout ?? 30) * 1000
  const address = req.socket.remoteAddress ?? ''
  const headers = forwardHeaders(req.rawHeaders, {
    client: {
      address,
      trusted: config.isTrustedProxy(address),
      proto: 'encrypted' in req.socket ? 'https' : 'http',
      host: hostOf(exchange),
    },
    correlationId: exchange.correlationId,
    authorization: credentials.authorization,
    userAssertion: credentials.userAssertion,
  })
  exchange.trace ??= continueTrace(req.headers)
  if (exchange.trace !== undefined) headers.push(...exchange.trace.headers)
  const length = req.headers['content-length']
  if (length !== undefined) headers.push('Content-Length', length)
  const outgoing: UpstreamRequest = {
    method: exchange.method,
    path: upstreamTarget(base, route, captures, query),
    headers,
    body: hasBody(exchange) ? req : undefined,
    headTimeoutMs: timeoutMs,
    pauseTimeoutMs: route.route.streaming ? 0 : timeoutMs,
    signal,
  }
  const answer = await (exchange.upgrade === undefined
    ? upstreams.send(base.origin, outgoing)
    : handshake(base, outgoing))
  note(exchange, base.href, answer)
  return answer
}

/** A backend builds links from it: a host that is not ours would make them lead to the sender's. */
function hostOf({ req, config }: Exchange): string {
  const { host } = req.headers
  const hosts = config.bridge.settings.auth.allowed_redirect_hosts
  return host !== undefined && hosts.includes(host) ? host : config.publicUrl.host
}

/** RFC 9112 §6.3: a request has a body exactly when its head frames one. */
export function hasBody({ req }: Exchange): boolean {
  const length = req.headers['content-length']
  return req.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

const FAILURES = {
  unreachable: 'refused',
  timeout: 'timeout',
  tls: 'tls',
  invalid: 'invalid',
} as const

function note(exchange: Exchange, baseUrl: string, answer: UpstreamAnswer | Switched): void {
  if (answer.kind === 'aborted') return
  exchange.upstream = {
    base_url: baseUrl,
    attempts: (exchange.upstream?.attempts ?? 0) + 1,
    ...(answer.kind === 'response' || answer.kind === 'switched'
      ? { status: answer.status, ...requiredScope(answer.headers) }
      : { failure: FAILURES[answer.kind], reason: answer.reason }),
  }
}

/** What the backend says this call needed (packages/resource-server); stripped from the answer. */
function requiredScope(raw: readonly string[]): { required_scope?: string } {
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (raw[i]?.toLowerCase() === REQUIRED_SCOPE_HEADER) {
      return { required_scope: (raw[i + 1] ?? '').slice(0, 256) }
    }
  }
  return {}
}
