import type { Readable } from 'node:stream'
import { errors, Pool } from 'undici'
import type { Reach } from '../reach.ts'

/** A request to a backend. */
export interface UpstreamRequest {
  method: string
  path: string
  /** Raw list, names and values in turn. */
  headers: string[]
  body: Readable | undefined
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
}

export type UpstreamAnswer =
  | UpstreamResponse
  | { kind: 'unreachable'; reason: string }
  | { kind: 'timeout'; reason: string }
  /** No handshake: its certificate is not one that we trust for that host. */
  | { kind: 'tls'; reason: string }
  | { kind: 'invalid'; reason: string }
  /** The browser went away. */
  | { kind: 'aborted' }

export const CONNECT_TIMEOUT_MS = 5_000
/** undici counts in whole seconds; shorter limits have a timer of their own. */
const COARSE_MS = 5_000
export const LATE = new Error('no response head in time')
/** What may be sent again when nothing was answered (RFC 9110 §9.2.2). */
export const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

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

  #pool(origin: string, reach: Reach): Pool {
    const key = `${origin} ${reach.id}`
    let pool = this.#pools.get(key)
    if (pool === undefined) {
      this.#forgetUnused()
      const { http2, tls } = reach
      const options: Pool.Options & { useH2c: boolean } = {
        // No limit: behind one, the slow uploads of a few would make everybody wait (see callers.ts).
        connections: null,
        connect: { timeout: CONNECT_TIMEOUT_MS, ...tls, preferH2: http2 },
        allowH2: http2,
        // Over plain TCP there is nothing to agree by: the backend is taken at its word.
        useH2c: http2 && origin.startsWith('http:'),
        keepAliveTimeout: 30_000,
        pipelining: 1,
      }
      pool = new Pool(origin, options)
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
    const late = request.headTimeoutMs < COARSE_MS ? new AbortController() : undefined
    const timer = late && setTimeout(() => late.abort(LATE), request.headTimeoutMs)
    try {
      const { statusCode, headers, body } = await this.#pool(origin, request.reach).request({
        method: request.method,
        path: request.path,
        headers: request.headers,
        body: request.body ?? null,
        headersTimeout: request.headTimeoutMs,
        bodyTimeout: request.pauseTimeoutMs,
        signal: late ? AbortSignal.any([request.signal, late.signal]) : request.signal,
        responseHeaders: 'raw',
      })
      return { kind: 'response', status: statusCode, headers: headers as unknown as string[], body }
    } catch (cause) {
      return failureFrom(cause, request.signal)
    } finally {
      clearTimeout(timer)
    }
  }
}

/** What became of a request that failed before its answer's head was here. */
export function failureFrom(
  cause: unknown,
  signal: AbortSignal,
): UpstreamAnswer & { idle?: boolean } {
  if (signal.aborted) return { kind: 'aborted' }
  const reason = cause instanceof Error ? cause.message : 'unknown failure'
  if (cause === LATE || cause instanceof errors.HeadersTimeoutError)
    return { kind: 'timeout', reason }
  if (cause instanceof errors.HTTPParserError) return { kind: 'invalid', reason }
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
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
  }
}
