import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import type { TestContext } from 'node:test'
import { type Certificate, makeCertificate } from '@audience-bridge/testkit/certificates.ts'
import { temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { VISITOR_AGENT } from '@audience-bridge/testkit/raw.ts'
import { startWebSocketEcho } from '@audience-bridge/testkit/websocket.ts'
import { SOCKET_ROUTES } from './websocket-world.ts'

export interface StreamAnswer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  trailers: IncomingHttpHeaders
}

/** A gateway that listens by https itself, before an echo, with a user who is signed in. */
export async function startSecure(t: TestContext) {
  const directory = temporaryDirectory(t)
  const authority = await makeCertificate(directory, 'ca', { subject: '/CN=Test CA' })
  const made = (name: string, issuer = authority) =>
    makeCertificate(directory, name, {
      subject: '/CN=localhost',
      names: 'DNS:localhost,IP:127.0.0.1',
      issuer,
    })
  const certificate = await made('front')
  const echo = await startEcho(t)
  const sockets = await startWebSocketEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: sockets.origin, crud_service: echo.origin },
    edits: { 'BFF/config/routes.yaml': SOCKET_ROUTES },
  })
  const visitor = await gateway.signedIn()
  const { port } = new URL(gateway.bff)
  const serve = ({ certFile, keyFile }: Certificate) =>
    gateway.reconfigure({
      'BFF/config/settings.yaml': (text) =>
        text
          .replace(/ {2}tls:.*\n/, '')
          .replace(/^ {2}public_url: .*$/m, `  public_url: https://localhost:${port}`)
          .replace(
            /^server:\n/m,
            `server:\n  tls: { cert_file: ${certFile}, key_file: ${keyFile} }\n`,
          ),
    })
  serve(certificate)
  const origin = `https://localhost:${port}`
  const session = await connectTo(t, origin, authority)
  return { authority, certificate, made, serve, echo, sockets, gateway, visitor, origin, session }
}

export async function connectTo(
  t: TestContext,
  origin: string,
  ca: Certificate,
): Promise<ClientHttp2Session> {
  const session = connect(origin, { ca: ca.cert, settings: { enablePush: false } })
  session.on('error', () => {})
  t.after(() => session.destroy())
  await once(session, 'connect')
  return session
}

/** Sends a request on a stream of its own and reads its answer to the end. */
export async function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: Buffer | string,
): Promise<StreamAnswer> {
  const stream = session.request(
    { 'user-agent': VISITOR_AGENT, ...headers },
    { endStream: body === undefined },
  )
  if (body !== undefined) stream.end(body)
  return answerOf(stream)
}

export async function answerOf(stream: ClientHttp2Stream): Promise<StreamAnswer> {
  let trailers: IncomingHttpHeaders = {}
  stream.on('trailers', (fields) => {
    trailers = fields
  })
  const chunks: Buffer[] = []
  const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }]
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  const { ':status': status, ...headers } = head
  return { status, headers, body: Buffer.concat(chunks), trailers }
}
