import { type Reach, reachTo } from '../reach.ts'
import type { DpopProofs } from '../tokens/dpop.ts'
import { type AskDeps, ask, groupOf, noteAnswer } from './ask.ts'
import type { Credentials } from './authorize.ts'
import { bodyFor, hasBody } from './body.ts'
import type { Exchange, Passage } from './exchange.ts'
import { handshake, type Switched } from './handshake.ts'
import { headerOf, ownHeaders, type Passing, passOn } from './headers.ts'
import { hopsLeft, wantsTrailers } from './hops.ts'
import { upstreamTarget } from './location.ts'
import { traceOf } from './trace-context.ts'
import type { UpstreamAnswer, UpstreamRequest, Upstreams } from './upstream.ts'

export interface ForwardDeps extends AskDeps {
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
  const to = destination(exchange)
  if (to === undefined) {
    const service = exchange.route?.route.target_service ?? ''
    return { kind: 'unreachable', reason: `services.${service}.base_url is missing` }
  }
  const { token } = credentials
  const repeats = groupOf(deps, exchange)?.rules.retries !== undefined
  const length = exchange.req.headers['content-length']
  const bound = token?.jkt === undefined ? undefined : { token: token.token, jkt: token.jkt }
  const sendOnce = async (base: URL, nonce: string | undefined) => {
    const url = new URL(to.path, base.origin)
    const dpop = bound && (await deps.proofs.prove(bound, exchange.method, url, nonce))
    const passing = passOn(exchange.req.rawHeaders)
    const { own, ...asked } = question(exchange, to, credentials, passing, dpop)
    const headers = [...passing.fields, ...own]
    if (length !== undefined) headers.push('Content-Length', length)
    const outgoing = {
      ...asked,
      headers,
      body: bodyFor(exchange, repeats),
      signal,
    }
    if (hasBody(exchange)) {
      exchange.goOn?.()
      exchange.goOn = undefined
    }
    const answer = await (exchange.upgrade === undefined
      ? deps.upstreams.send(base.origin, outgoing)
      : handshake(base, outgoing))
    noteAnswer(exchange, base, answer)
    const given =
      bound && answer.kind === 'response' ? headerOf(answer.headers, 'dpop-nonce') : undefined
    if (given !== undefined) deps.proofs.hear(base.origin, given)
    return { answer, given }
  }
  return ask(deps, exchange, to.base, async (base) => {
    const used = bound && deps.proofs.nonceOf(base.origin)
    const { answer, given } = await sendOnce(base, used)
    const again =
      given !== undefined && given !== used && asksForNonce(answer) && !hasBody(exchange)
    if (!again) return answer
    // Whatever comes of it, this answer is not forwarded: its connection is wanted back.
    if (answer.kind === 'response') answer.body.on('error', () => {}).resume()
    return (await sendOnce(base, given)).answer
  })
}

/** RFC 9449 §9: the token is good, the proof lacks the backend's nonce of now. */
function asksForNonce(answer: UpstreamAnswer | Switched): boolean {
  if (answer.kind !== 'response' || answer.status !== 401) return false
  const challenge = headerOf(answer.headers, 'www-authenticate')
  return challenge !== undefined && /^DPoP .*error="?use_dpop_nonce"?/i.test(challenge)
}

interface Destination {
  /** Of its first upstream; the path is the same at all of them. */
  base: URL
  path: string
  connectTimeoutMs: number
  headTimeoutMs: number
  pauseTimeoutMs: number
  reach: Reach
}

/** Where a request goes; undefined when nobody knows. */
export function destination({ route, config, captures, query }: Passage): Destination | undefined {
  const service = route?.route.target_service ?? ''
  const base = config.bases.get(service)
  if (route === undefined || base === undefined) return undefined
  const path = upstreamTarget(base, route, captures, query)
  const settings = config.bridge.routes.services[service]
  const headTimeoutMs = (settings?.timeout ?? 30) * 1000
  const idleSeconds = settings?.idle_timeout
  const defaultPauseMs = route.route.streaming ? 0 : headTimeoutMs
  return {
    ...{ base, path, headTimeoutMs },
    connectTimeoutMs: (settings?.connect_timeout ?? 5) * 1000,
    pauseTimeoutMs: idleSeconds === undefined ? defaultPauseMs : idleSeconds * 1000,
    reach: reachTo(config, service),
  }
}

/** What a backend is asked, but for the browser's fields that pass and how the body is framed. */
interface Question extends Omit<UpstreamRequest, 'headers' | 'body' | 'signal'> {
  /** Our own fields: a raw list, names and values in turn. */
  own: string[]
}

export function question(
  passage: Passage,
  { path, connectTimeoutMs, headTimeoutMs, pauseTimeoutMs, reach }: Destination,
  { authorization, userAssertion }: Credentials,
  passing: Passing,
  dpop?: string,
): Question {
  const { req, config, correlationId } = passage
  const address = req.socket.remoteAddress ?? ''
  const { via, forwarded } = config.bridge.settings.server
  const own = ownHeaders(passing, {
    client: {
      address,
      trusted: config.isTrustedProxy(address),
      proto: 'encrypted' in req.socket ? 'https' : 'http',
      host: hostOf(passage),
    },
    correlationId,
    authorization,
    dpop,
    userAssertion,
    via: via === false ? undefined : `${req.httpVersion ?? '1.1'} ${via}`,
    forwarded,
  })
  const left = hopsLeft(passage.method, req.headers)
  if (left !== undefined) own.push('Max-Forwards', String(left - 1))
  // HTTP/1.1 would need `Connection: TE` beside it; and there trailers come unasked.
  if (reach.http2 && wantsTrailers(req.headers)) own.push('TE', 'trailers')
  const trace = traceOf(passage)
  if (trace !== undefined) own.push(...trace.headers)
  return {
    method: passage.method,
    path,
    own,
    ...{ connectTimeoutMs, headTimeoutMs, pauseTimeoutMs },
    reach,
  }
}

/** A backend builds links from it: a host that is not ours would make them lead to the sender's. */
function hostOf({ req, config, frontend }: Passage): string {
  const { host } = req.headers
  const hosts = config.bridge.settings.auth.allowed_redirect_hosts
  return host !== undefined && hosts.includes(host) ? host : frontend.publicUrl.host
}
