import type { DpopProofs } from '../tokens/dpop.ts'
import type { Credentials } from './authorize.ts'
import type { Exchange } from './exchange.ts'
import { handshake, type Switched } from './handshake.ts'
import { forwardHeaders, headerOf, REQUIRED_SCOPE_HEADER } from './headers.ts'
import { upstreamTarget } from './location.ts'
import { continueTrace } from './trace-context.ts'
import type { UpstreamAnswer, UpstreamRequest, Upstreams } from './upstream.ts'

export interface ForwardDeps {
  upstreams: Upstreams
  proofs: DpopProofs
}

/** Sends the exchange's request to its backend and notes what came of it. */
export async function forward(
  deps: ForwardDeps,
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
  const path = upstreamTarget(base, route, captures, query)
  const { token } = credentials
  exchange.trace ??= continueTrace(req.headers)
  const length = req.headers['content-length']
  const bound = token?.jkt === undefined ? undefined : { token: token.token, jkt: token.jkt }
  const sendOnce = async (nonce: string | undefined) => {
    const dpop =
      bound && (await deps.proofs.prove(bound, exchange.method, new URL(path, base.origin), nonce))
    const headers = forwardHeaders(req.rawHeaders, {
      client: {
        address,
        trusted: config.isTrustedProxy(address),
        proto: 'encrypted' in req.socket ? 'https' : 'http',
        host: hostOf(exchange),
      },
      correlationId: exchange.correlationId,
      authorization: credentials.authorization,
      dpop,
      userAssertion: credentials.userAssertion,
    })
    if (exchange.trace !== undefined) headers.push(...exchange.trace.headers)
    if (length !== undefined) headers.push('Content-Length', length)
    const outgoing: UpstreamRequest = {
      method: exchange.method,
      path,
      headers,
      body: hasBody(exchange) ? req : undefined,
      headTimeoutMs: timeoutMs,
      pauseTimeoutMs: route.route.streaming ? 0 : timeoutMs,
      signal,
    }
    const answer = await (exchange.upgrade === undefined
      ? deps.upstreams.send(base.origin, outgoing)
      : handshake(base, outgoing))
    note(exchange, base.href, answer)
    const given =
      bound && answer.kind === 'response' ? headerOf(answer.headers, 'dpop-nonce') : undefined
    if (given !== undefined) deps.proofs.hear(base.origin, given)
    return { answer, given }
  }
  const used = bound && deps.proofs.nonceOf(base.origin)
  const { answer, given } = await sendOnce(used)
  const again = given !== undefined && given !== used && asksForNonce(answer) && !hasBody(exchange)
  if (!again) return answer
  // Whatever comes of it, this answer is not forwarded: its connection is wanted back.
  if (answer.kind === 'response') answer.body.on('error', () => {}).resume()
  return (await sendOnce(given)).answer
}

/** RFC 9449 §9: the token is good, the proof lacks the backend's nonce of now. */
function asksForNonce(answer: UpstreamAnswer | Switched): boolean {
  if (answer.kind !== 'response' || answer.status !== 401) return false
  const challenge = headerOf(answer.headers, 'www-authenticate')
  return challenge !== undefined && /^DPoP .*error="?use_dpop_nonce"?/i.test(challenge)
}

/** A backend builds links from it: a host that is not ours would make them lead to the sender's. */
function hostOf({ req, config, frontend }: Exchange): string {
  const { host } = req.headers
  const hosts = config.bridge.settings.auth.allowed_redirect_hosts
  return host !== undefined && hosts.includes(host) ? host : frontend.publicUrl.host
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
  const scope = headerOf(raw, REQUIRED_SCOPE_HEADER)
  return scope === undefined ? {} : { required_scope: scope.slice(0, 256) }
}
