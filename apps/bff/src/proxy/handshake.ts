import { createHash } from 'node:crypto'
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Socket } from 'node:net'
import { urlToHttpOptions } from 'node:url'
import { failureFrom, LATE, type UpstreamAnswer, type UpstreamRequest } from './upstream.ts'

/** The backend took the WebSocket: its connection speaks frames from now on. */
export interface Switched {
  kind: 'switched'
  status: 101
  /** Raw list, names and values in turn. */
  headers: string[]
  socket: Socket
}

/** RFC 6455 §1.3. */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/**
 * Asks a backend for a WebSocket, on a connection of its own. Any answer but 101 is an answer like
 * that to a plain request.
 */
export function handshake(base: URL, request: UpstreamRequest): Promise<UpstreamAnswer | Switched> {
  const [send, connected] =
    base.protocol === 'https:'
      ? ([requestHttps, 'secureConnect'] as const)
      : ([requestHttp, 'connect'] as const)
  const { promise, resolve } = Promise.withResolvers<UpstreamAnswer | Switched>()
  const outgoing = send({
    ...urlToHttpOptions(new URL(base.origin)),
    ...request.reach.tls,
    method: request.method,
    path: request.path,
    headers: [
      ...['Host', base.host, 'Connection', 'Upgrade', 'Upgrade', 'websocket'],
      ...request.headers,
    ],
    agent: false,
    signal: request.signal,
  })
  const late = setTimeout(() => outgoing.destroy(LATE), request.headTimeoutMs)
  const unconnected = setTimeout(
    () => outgoing.destroy(new Error('no connection in time')),
    request.connectTimeoutMs,
  )
  outgoing.once('socket', (socket) => socket.once(connected, () => clearTimeout(unconnected)))
  // For good: also an answer that is being read may break.
  outgoing.on('error', (cause) => resolve(failureFrom(cause, request.signal)))
  outgoing.once('upgrade', (answer, socket: Socket, early) => {
    socket.on('error', () => {})
    const fault = switchFault(answer, keyOf(request.headers))
    if (fault === undefined) {
      const { rawHeaders: headers } = answer
      if (early.length > 0) socket.unshift(early)
      return resolve({ kind: 'switched', status: 101, headers, socket })
    }
    socket.destroy()
    resolve({ kind: 'invalid', reason: fault })
  })
  outgoing.once('response', (answer) => {
    if (answer.statusCode === 101) {
      answer.destroy()
      return resolve({ kind: 'invalid', reason: 'a 101 that switches to nothing' })
    }
    outgoing.setTimeout(request.pauseTimeoutMs, () => answer.destroy(new Error('paused too long')))
    const { statusCode = 0, rawHeaders: headers } = answer
    resolve({ kind: 'response', status: statusCode, headers, body: answer })
  })
  outgoing.end()
  return promise.finally(() => {
    clearTimeout(late)
    clearTimeout(unconnected)
  })
}

/**
 * Why an answer of 101 is none to our question (RFC 6455 §4.1). A server that does not know
 * WebSockets, or a cache, would otherwise be handed a connection through which anything passes.
 */
function switchFault({ headers }: IncomingMessage, key: string): string | undefined {
  if (headers.upgrade?.toLowerCase() !== 'websocket') return 'a 101 to another protocol'
  const expected = createHash('sha1')
    .update(key + WEBSOCKET_GUID)
    .digest('base64')
  return headers['sec-websocket-accept'] === expected
    ? undefined
    : 'a 101 whose Sec-WebSocket-Accept is not that of our key'
}

function keyOf(raw: readonly string[]): string {
  const at = raw.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === 'sec-websocket-key')
  return raw[at + 1] ?? ''
}
