import type { Readable } from 'node:stream'
import { buildConnector, errors, Pool } from 'undici'
import type { Reach } from '../reach.ts'

/** A request to a backend. */
export interface UpstreamRequest {
  method: string
  path: string
  /** Raw list, names and values in turn. */
  headers: string[]
  body: Readable | undefined
  /** Until the connection must be there, in milliseconds. */
  connectTimeoutMs: number
  /** Until the head of the answer must be here, in milliseconds. */
  headTimeoutMs: number
  /** Longest pause within the answer, in milliseconds; 0: none. */
  pauseTimeoutMs: number
  signal: AbortSignal
  reach: Reach
}

export interface AnswerHead {
  kind: 'response'
  status: number
  /** Raw list, names and values in turn. */
  headers: string[]
}

export interface UpstreamResponse extends AnswerHead {
  body: Readable
  /** Filled once the body has ended. */
  trailers?: Readonly<Record<string, string | readonly string[] | undefined>>
}

export type UpstreamAnswer =
  | UpstreamResponse
  /** @param unsent nothing of the request can have arrived. */
  | { kind: 'unreachable'; reason: string; unsent?: boolean }
  | { kind: 'timeout'; reason: string }
  /** No handshake: its certificate is not one that we trust for that host. */
  | { kind: 'tls'; reason: string }
  | { kind: 'invalid'; reason: string }
  /** The browser went away. */
  | { kind: 'aborted' }
  /** Its body is larger than the service takes. */
  | { kind: 'too_large' }
  /** Nobody was asked: all upstreams are left alone for a while. */
  | { kind: 'suspended'; reason: string; retrySeconds: number }

/** undici counts in whole seconds; shorter limits have a timer of their own. */
const COARSE_MS = 5_000
export const LATE = new Error('no response head in time')
/** Requests on one HTTP/2 connection; for more there are more connections. */
const STREAMS = 100
/** Ends a body that has become larger than its service takes. */
export const TOO_LARGE = new Error('the body is too large')
/** What may be sent again when nothing was answered (RFC 9110 §9.2.2). */
export const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** No connection was made; ECONNRESET and its like may come at any time. */
const UNSENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'])

/** Node's and OpenSSL's codes of a certificate or handshake that failed. */
const TLS_FAILURE =
  /^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|EPROTO|HOSTNAME_MISMATCH)/

/** What undici says of an answer that breaks HTTP, besides `HTTPParserError`. */
const INVALID_ANSWER = new Set([
  // Two framings: whoever believes the other one reads another answer (response smuggling).
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_HEADERS_OVERFLOW',
  // A switch of protocols that nobody asked for.
  'ERR_ASSERTION',
])

/** RFC 9113 §7: PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, COMPRESSION_ERROR, ENHANCE_YOUR_CALM. */
const FAULTY_STREAM = new Set([0x1, 0x3, 0x6, 0x9, 0xb])

/** Keep-alive connections to all backends, one pool for an origin and the way to it. */
export class Upstreams {
  readonly #pools = new Map<string, Pool>()

  async send(origin: string, request: UpstreamRequest): Promise<UpstreamAnswer> {
    const answer = await this.#sendOnce(origin, request)
    // An idle connection may close in the moment of writing: once more, if nothing can have been done twice.
    const retry =
      answer.kind === 'unreachable' &&
      answer.idle &&
      request.body === undefined &&
      IDEMPOTENT.has(request.method)
    return retry ? this.#sendOnce(origin, request) : answer
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.close()))
  }

  #pool(origin: string, { reach, connectTimeoutMs }: UpstreamRequest): Pool {
    const key = `${origin} ${connectTimeoutMs} ${reach.id}`
    let pool = this.#pools.get(key)
    if (pool === undefined) {
      this.#forgetUnused()
      pool = new Pool(origin, {
        // No limit: behind one, the slow uploads of a few would make everybody wait (see callers.ts).
        connections: null,
        keepAliveTimeout: 30_000,
        ...(reach.http2
          ? overHttp2(origin, reach, connectTimeoutMs)
          : overHttp1(reach, connectTimeoutMs)),
      })
      this.#pools.set(key, pool)
    }
    return pool
  }

  /** Of origins that are configured no more, or in another way: their connections have ended by themselves. */
  #forgetUnused(): void {
    for (const [key, pool] of this.#pools) {
      if (pool.stats.connected > 0 || pool.stats.size > 0) continue
      this.#pools.delete(key)
      pool.close().catch(() => {})
    }
  }

  async #sendOnce(
    origin: string,
    request: UpstreamRequest,
  ): Promise<UpstreamAnswer & { idle?: boolean }> {
    // undici's own begins when a stream does, and that may wait for one that ends.
    const coarse = request.headTimeoutMs >= COARSE_MS && !request.reach.http2
    const late = coarse ? undefined : new AbortController()
    const timer = late && setTimeout(() => late.abort(LATE), request.headTimeoutMs)
    try {
      const { statusCode, headers, body, trailers } = await this.#pool(origin, request).request({
        method: request.method,
        path: request.path,
        headers: request.headers,
        body: request.body ?? null,
        headersTimeout: request.headTimeoutMs,
        bodyTimeout: request.pauseTimeoutMs,
        signal: late ? AbortSignal.any([request.signal, late.signal]) : request.signal,
        responseHeaders: 'raw',
      })
      const raw = headers as unknown as string[]
      return { kind: 'response', status: statusCode, headers: raw, body, trailers }
    } catch (cause) {
      return failureFrom(cause, request.signal)
    } finally {
      clearTimeout(timer)
    }
  }
}

const overHttp1 = ({ tls }: Reach, timeout: number): Pool.Options => ({
  connect: { timeout, ...tls },
  allowH2: false,
  pipelining: 1,
})

/** HTTP/2 and nothing else: agreed by ALPN, or, where nothing can be agreed, known before. */
function overHttp2(
  origin: string,
  { tls }: Reach,
  timeout: number,
): Pool.Options & { useH2c: boolean } {
  const useH2c = origin.startsWith('http:')
  const options = { timeout, ...tls, allowH2: true, preferH2: true, useH2c }
  const dial = buildConnector(options)
  return {
    connect: (place, done) =>
      dial(place, (...[fault, socket]) => {
        if (fault !== null) return done(fault, null)
        if ('alpnProtocol' in socket && socket.alpnProtocol === 'h2') return done(null, socket)
        socket.destroy()
        done(new Error('it did not agree to HTTP/2'), null)
      }),
    allowH2: true,
    useH2c,
    // After a GOAWAY, the next connection is opened only while fewer requests than these run on the old one.
    pipelining: STREAMS,
    maxConcurrentStreams: STREAMS,
  }
}

/** What became of a request that failed before its answer's head was here. */
export function failureFrom(
  cause: unknown,
  signal: AbortSignal,
): UpstreamAnswer & { idle?: boolean } {
  if (cause === TOO_LARGE) return { kind: 'too_large' }
  if (signal.aborted) return { kind: 'aborted' }
  const reason = cause instanceof Error ? cause.message : 'unknown failure'
  if (cause === LATE || cause instanceof errors.HeadersTimeoutError)
    return { kind: 'timeout', reason }
  if (cause instanceof errors.HTTPParserError) return { kind: 'invalid', reason }
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  const reset = cause instanceof Error && 'http2ErrorCode' in cause ? cause.http2ErrorCode : 0
  if (FAULTY_STREAM.has(Number(reset))) return { kind: 'invalid', reason }
  // `HPE_`: what Node's own parser says.
  if (typeof code === 'string' && (INVALID_ANSWER.has(code) || code.startsWith('HPE_'))) {
    return { kind: 'invalid', reason: `${code}: ${reason}` }
  }
  if (typeof code === 'string' && TLS_FAILURE.test(code)) return { kind: 'tls', reason: code }
  const idle = cause instanceof errors.SocketError || code === 'ECONNRESET' || code === 'EPIPE'
  return {
    kind: 'unreachable',
    reason: typeof code === 'string' ? `${code}: ${reason}` : reason,
    idle,
    unsent: typeof code === 'string' && UNSENT.has(code),
  }
}
