import { randomBytes } from 'node:crypto'
import { isToken } from '../proxy/letters.ts'

/** A request of HTTP/2 in the words of HTTP/1.1. */
export interface StreamRequest {
  kind: 'request'
  method: string
  /** Complete, with its empty line. */
  head: string
  /** How the body is to be written behind it. */
  framing: 'none' | 'length' | 'chunked'
  /** It asks to become a WebSocket (RFC 8441). */
  webSocket: boolean
}

export type StreamReading =
  | StreamRequest
  /** The peer breaks HTTP/2: the stream ends (RFC 9113 §8.1.1). */
  | { kind: 'malformed' }
  /** Well formed, and not to be understood in one way. */
  | { kind: 'refused'; detail: string }

const refuse = (detail: string): StreamReading => ({ kind: 'refused', detail })
const MALFORMED: StreamReading = { kind: 'malformed' }

/** RFC 9113 §8.2.2: of a connection of HTTP/1.1, and what would frame the message anew there. */
const CONNECTION_FIELDS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

/** What RFC 8441 §5 leaves out of the handshake, and we write ourselves. */
const HANDSHAKE_FIELDS = new Set(['sec-websocket-key', 'sec-websocket-accept'])

/** Visible ASCII: of a target, without what would end the line it stands in. */
const TARGET = /^[\x21-\x7e]+$/
/** A value as HTTP/1.1 can carry it. `$` alone would let a last line break pass. */
const VALUE = /^[\x20-\x7e\x80-\xff\t]*$/
const LINE_BREAK = /[\r\n]/

/**
 * Writes the head of an HTTP/2 request as one of HTTP/1.1, so that it is judged by the very code that
 * judges all others.
 *
 * The attack is smuggling by downgrade: a value with a line break, or a `transfer-encoding`, would be
 * a second request once it is text, and two lengths two bodies. Nothing is mended: each name, value
 * and pseudo-field is one that the text cannot mistake, or the request is refused. How long the body
 * is, is said by us alone, from the frames.
 *
 * @param raw names and values in turn, as they came.
 * @param ended the stream has no body.
 */
export function readStream(raw: readonly string[], ended: boolean): StreamReading {
  const pseudo = new Map<string, string>()
  const fields: [name: string, value: string][] = []
  const cookies: string[] = []
  let length: string | undefined
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const value = raw[i + 1] ?? ''
    if (!VALUE.test(value) || LINE_BREAK.test(value)) return MALFORMED
    if (name.startsWith(':')) {
      // §8.3: before all others, and each once.
      if (fields.length > 0 || cookies.length > 0 || pseudo.has(name)) return MALFORMED
      pseudo.set(name, value)
      continue
    }
    if (!isToken(name) || name !== name.toLowerCase()) return MALFORMED
    if (CONNECTION_FIELDS.has(name)) return MALFORMED
    if (value !== value.trim()) return MALFORMED
    if (name === 'te' && value !== 'trailers') return MALFORMED
    if (name === 'content-length') {
      if (length !== undefined || !/^[0-9]{1,15}$/.test(value)) return MALFORMED
      length = value
      // §8.2.3: one for each cookie; to everybody else it is one list.
    } else if (name === 'cookie') cookies.push(value)
    else fields.push([name, value])
  }
  const target = readTarget(pseudo, fields)
  if (target.kind !== 'target') return target
  const { method, path, host, webSocket } = target
  const kept = fields.filter(
    ([name]) => name !== 'host' && !(webSocket && HANDSHAKE_FIELDS.has(name)),
  )
  if (cookies.length > 0) kept.push(['cookie', cookies.join('; ')])
  if (webSocket) {
    if (length !== undefined) return refuse('a WebSocket has no Content-Length')
    const key = randomBytes(16).toString('base64')
    kept.push(['connection', 'Upgrade'], ['upgrade', 'websocket'], ['sec-websocket-key', key])
  } else kept.push(['connection', 'close'])
  const framing = webSocket || ended ? 'none' : length === undefined ? 'chunked' : 'length'
  if (framing === 'chunked') kept.push(['transfer-encoding', 'chunked'])
  else if (length !== undefined) kept.push(['content-length', length])
  const lines = kept.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const head = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${lines}\r\n`
  return { kind: 'request', method, head, framing, webSocket }
}

interface Target {
  kind: 'target'
  method: string
  path: string
  host: string
  webSocket: boolean
}

/** RFC 9113 §8.3.1 and §8.5, RFC 8441 §4. */
function readTarget(
  pseudo: ReadonlyMap<string, string>,
  fields: readonly [string, string][],
): Target | Exclude<StreamReading, StreamRequest> {
  const method = pseudo.get(':method')
  const path = pseudo.get(':path')
  const protocol = pseudo.get(':protocol')
  if (method === undefined || !isToken(method)) return MALFORMED as { kind: 'malformed' }
  if (method === 'CONNECT' && protocol === undefined) {
    return { kind: 'refused', detail: 'CONNECT is for proxies of another kind' }
  }
  if (path === undefined || !TARGET.test(path)) return { kind: 'malformed' }
  // §8.3.1. The attack: a path that is a whole URL names a second host, once it is a line of HTTP/1.1.
  if (!path.startsWith('/') && !(path === '*' && method === 'OPTIONS')) return { kind: 'malformed' }
  if (pseudo.get(':scheme') !== 'https') {
    return { kind: 'refused', detail: 'the scheme is https, as this connection is' }
  }
  for (const name of pseudo.keys()) {
    if (![':method', ':path', ':scheme', ':authority', ':protocol'].includes(name)) {
      return { kind: 'malformed' }
    }
  }
  // Two hosts, and each server on the way may believe another one.
  const hosts = fields.filter(([name]) => name === 'host').map(([, value]) => value)
  const authority = pseudo.get(':authority')
  const named = new Set(authority === undefined ? hosts : [authority, ...hosts])
  const [host] = named
  if (host === undefined || host === '' || named.size > 1 || !TARGET.test(host)) {
    return { kind: 'refused', detail: 'one host must be named, and no other besides' }
  }
  if (protocol === undefined) return { kind: 'target', method, path, host, webSocket: false }
  if (method !== 'CONNECT') return { kind: 'malformed' }
  if (protocol !== 'websocket') {
    return { kind: 'refused', detail: 'the only protocol for CONNECT is websocket' }
  }
  return { kind: 'target', method: 'GET', path, host, webSocket: true }
}
