import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import type { Edit } from '@audience-bridge/testkit/config-copy.ts'
import { type GatewayOptions, startGateway } from '@audience-bridge/testkit/gateway.ts'
import { VISITOR_AGENT } from '@audience-bridge/testkit/raw.ts'
import { startWebSocketEcho } from '@audience-bridge/testkit/websocket.ts'
import { type OpenedSocket, openWebSocket } from '@audience-bridge/testkit/websocket-client.ts'

export const SOCKET_ROUTES: Edit = (text) => `${text}
  - { id: ws, path: /api/ws/*, target_service: analytics_service, upstream_path: '/ws/{path}', auth: session, websocket: true }
  - { id: ws-open, path: /open/ws, target_service: crud_service, auth: none, websocket: true }
  - { id: ws-bearer, path: /machine/ws, target_service: analytics_service, auth: bearer, websocket: true }
  - { id: stream, path: /api/stream/*, target_service: crud_service, auth: session, streaming: true }
  - { id: ws-off, path: /api/off/*, target_service: analytics_service, auth: session }
  - { id: ws-post, path: /api/post, target_service: analytics_service, auth: session, methods: [POST] }
`

/** A gateway before a backend that speaks WebSocket, and a user who is signed in. */
export async function startSockets(t: TestContext, options: GatewayOptions = {}) {
  const echo = await startWebSocketEcho(t)
  const { 'BFF/config/routes.yaml': routes = (text: string) => text, ...edits } =
    options.edits ?? {}
  const gateway = await startGateway(t, {
    ...options,
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin, ...options.upstreams },
    edits: { ...edits, 'BFF/config/routes.yaml': (text) => SOCKET_ROUTES(routes(text)) },
  })
  const visitor = await gateway.signedIn()
  /** As a page of the gateway opens it. */
  const open = (
    path = '/api/ws/x',
    headers: Record<string, string> = {},
    protocols?: string[],
  ): Promise<OpenedSocket> =>
    openWebSocket(
      new URL(path, gateway.bff),
      { cookie: visitor.cookie, origin: gateway.bff, ...headers },
      protocols,
    )
  /** The head of a handshake; a value of undefined leaves the field out. */
  const handshakeHead = (
    more: Record<string, string | undefined> = {},
  ): (readonly [string, string])[] =>
    Object.entries({
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      Origin: gateway.bff,
      'User-Agent': VISITOR_AGENT,
      Cookie: visitor.cookie,
      ...more,
    }).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
  /** The answer to a handshake that is refused, read to the end of the connection. */
  const refused = (path: string, more: Record<string, string | undefined> = {}, body = '') =>
    gateway.raw('GET', path, handshakeHead(more), body)
  return { echo, gateway, visitor, open, handshakeHead, refused }
}
