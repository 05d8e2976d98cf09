import { once } from 'node:events'
import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import {
  createServer as createH2cServer,
  createSecureServer,
  type Http2Server,
  type SecureServerOptions,
} from 'node:http2'
import { createServer, type Server, type ServerOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { type Certificate, makeCertificate } from '@audience-bridge/testkit/certificates.ts'
import { type Edit, temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'

/** An authority and what it has signed. */
export async function startAuthority(t: TestContext) {
  const directory = temporaryDirectory(t)
  let made = 0
  const authority = (name: string) =>
    makeCertificate(directory, `ca${made++}`, { subject: `/CN=${name}` })
  const ca = await authority('Example CA')
  const issue = (
    subject: string,
    names = 'IP:127.0.0.1',
    more: { issuer?: Certificate; expired?: boolean } = {},
  ) => makeCertificate(directory, `c${made++}`, { subject, names, issuer: ca, ...more })
  return { directory, ca, authority, issue }
}

type Answer = (req: IncomingMessage, res: ServerResponse) => void

export interface Backend {
  origin: string
  server: Server | HttpServer | Http2Server
  answer: Answer
  /** The connections on which something was asked. */
  sockets: Set<Socket>
  asked: number
}

async function start(t: TestContext, scheme: string, server: Backend['server']) {
  const open = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.on('error', () => {}).on('close', () => open.delete(socket))
  })
  const backend: Backend = {
    ...{ origin: '', server, sockets: new Set(), asked: 0 },
    answer: (_, res) => void res.end('ok'),
  }
  server.on('request', (req: IncomingMessage, res: ServerResponse) => {
    backend.asked++
    const session = (req as { stream?: { session?: { socket: Socket } } }).stream?.session
    backend.sockets.add(session?.socket ?? req.socket)
    backend.answer(req, res)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  backend.origin = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`
  t.after(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return backend
}

export const startHttp = (t: TestContext) => start(t, 'http', createHttpServer())

export const startHttps = (t: TestContext, { cert, key }: Certificate, more: ServerOptions = {}) =>
  start(t, 'https', createServer({ cert, key, ...more }))

/** HTTP/2 alone, by ALPN. */
export const startHttp2 = (
  t: TestContext,
  { cert, key }: Certificate,
  more: SecureServerOptions = {},
) => start(t, 'https', createSecureServer({ cert, key, ...more }))

/** HTTP/2 over plain TCP, with prior knowledge. */
export const startH2c = (t: TestContext) => start(t, 'http', createH2cServer())

/** Each service with its lines, and a route `/NAME/*` for everybody to it. */
export const withServices =
  (services: Record<string, string[]>): Edit =>
  (text) => {
    const places = Object.entries(services).map(
      ([name, lines]) => `  ${name}:\n${lines.map((line) => `    ${line}\n`).join('')}`,
    )
    const routes = Object.keys(services).map(
      (name) =>
        `  - { id: ${name}, path: /${name}/*, target_service: ${name}, auth: none, websocket: true }\n`,
    )
    return `${text.replace('services:\n', `services:\n${places.join('')}`)}\n${routes.join('')}`
  }
