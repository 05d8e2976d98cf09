import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Channels } from '../session/channels.ts'
import type { Sessions } from '../session/sessions.ts'
import { type Refusal, refuse } from './authorize.ts'
import type { Exchange } from './exchange.ts'
import type { Switched } from './handshake.ts'
import { returnHeaders } from './headers.ts'
import { joinSockets } from './tunnel.ts'

/** RFC 6455 §7.4.1: an endpoint going away; a policy that forbids the message. */
const GOING_AWAY = 1001
const POLICY_VIOLATION = 1008

/**
 * Whether a request asks for a WebSocket over HTTP/1.1 (RFC 6455 §4.1). Other upgrades are not taken:
 * those requests are plain ones, as RFC 9110 §7.8 lets a server treat them. So is one with a body,
 * whose end our parser and a backend's might see in two places.
 */
export function asksForWebSocket({ method, httpVersion, headers }: IncomingMessage): boolean {
  return (
    method === 'GET' &&
    httpVersion === '1.1' &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    headers['content-length'] === undefined &&
    headers['transfer-encoding'] === undefined
  )
}

/**
 * An answer on a connection that was handed over for an upgrade, so that a refusal is written like
 * any other answer. The connection ends with it: what the client sent on, in the belief that it
 * speaks frames, is never read as a request (request smuggling by a failed upgrade).
 *
 * @param early what the client sent already, after the head of its request.
 * @returns undefined when earlier requests on the connection are still being answered: the answers
 *   would mix, and the connection is gone.
 */
export function answerUpgrade(
  req: IncomingMessage,
  socket: Socket,
  early: Buffer,
): ServerResponse | undefined {
  socket.on('error', () => {})
  socket.setTimeout(0)
  const res = new ServerResponse(req)
  res.shouldKeepAlive = false
  try {
    res.assignSocket(socket)
  } catch {
    socket.destroy()
    return undefined
  }
  // Node took its own listener away with the socket: an answer of more than a buffer would stall.
  socket.on('drain', () => {
    if (!res.writableFinished) res.emit('drain')
  })
  // At once: an end that is read before it would be the last thing that this stream can say.
  if (early.length > 0) socket.unshift(early)
  res.once('finish', () => {
    if (res.statusCode === 101) return
    socket.destroySoon()
    // Unread bytes would turn our end into a reset, which can overtake the answer.
    socket.resume()
  })
  return res
}

/** Why this cannot become a WebSocket, whoever asks; undefined when it can. */
export function upgradeFault({ req, route }: Exchange): Refusal | undefined {
  if (route?.route.websocket !== true) {
    return refuse(
      'WEBSOCKET_NOT_ALLOWED',
      route === undefined
        ? 'no WebSocket is served at this path'
        : `the route ${route.route.id} takes no WebSockets: websocket: true in routes.yaml would allow them`,
    )
  }
  const { headers } = req
  if (headers['sec-websocket-version'] !== '13') {
    return refuse('BAD_REQUEST', 'the Sec-WebSocket-Version is not 13', {
      headers: { 'Sec-WebSocket-Version': '13' },
    })
  }
  if (!/^[A-Za-z0-9+/]{22}==$/.test(headers['sec-websocket-key'] ?? '')) {
    return refuse('BAD_REQUEST', 'the Sec-WebSocket-Key is not that of 16 bytes')
  }
  return undefined
}

/** Tells the browser that the backend agreed, and lets frames pass until either is gone. */
export function switchProtocols(
  deps: { sessions: Sessions; channels: Channels },
  exchange: Exchange,
  answer: Switched,
): void {
  const { res, upgrade, session, config, correlationId } = exchange
  if (upgrade === undefined || upgrade.destroyed) {
    answer.socket.destroy()
    return
  }
  const cleaned = returnHeaders(answer.headers, {
    cookies: config.frontends.cookies,
    location: () => undefined,
    private: false,
    pages: true,
  })
  const headers = cleaned.flatMap((name, i) => {
    // RFC 9110 §8.6: a 101 has none, and what follows is no body.
    if (i % 2 === 1 || name.toLowerCase() === 'content-length') return []
    return [name, cleaned[i + 1] ?? '']
  })
  headers.push('Connection', 'Upgrade', 'Upgrade', 'websocket', 'X-Correlation-ID', correlationId)
  res.writeHead(101, headers)
  res.end()
  const close = joinSockets(upgrade, answer.socket, () => {
    if (session !== undefined) deps.sessions.touch(session)
  })
  const leave = deps.channels.open(session, (reason) => {
    if (reason === 'stopping') return close(GOING_AWAY, 'the server stops')
    exchange.sessionEnded = reason
    close(POLICY_VIOLATION, `session ended: ${reason}`)
  })
  res.once('close', leave)
}
