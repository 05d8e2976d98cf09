import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, Server } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { until } from '@audience-bridge/testkit/wait.ts'

/** The requests that Node's HTTP server at `origin` reads from now on: those that were not fast. */
export function slowRequests(t: TestContext, origin: string): string[] {
  const port = Number(new URL(origin).port)
  const seen: string[] = []
  const note = (message: unknown) => {
    const { request, server } = message as { request: IncomingMessage; server: Server }
    const address = server.address()
    if (typeof address === 'object' && address?.port === port) {
      seen.push(`${request.method} ${request.url}`)
    }
  }
  subscribe('http.server.request.start', note)
  t.after(() => unsubscribe('http.server.request.start', note))
  return seen
}

/** A TCP backend: each connection is `talk`'s. */
export async function startRawBackend(t: TestContext) {
  const sockets = new Set<Socket>()
  const backend = {
    origin: '',
    connections: 0,
    /** Told of each piece that comes. */
    talk: (_bytes: Buffer, _socket: Socket): void => {},
  }
  const server = createServer((socket) => {
    backend.connections++
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    socket.on('data', (bytes: Buffer) => backend.talk(bytes, socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no address')
  backend.origin = `http://127.0.0.1:${address.port}`
  return backend
}

/** A browser's connection, byte by byte. */
export async function openWire(t: TestContext, origin: string) {
  const { hostname, port } = new URL(origin)
  const socket = connect({ port: Number(port), host: hostname, noDelay: true, allowHalfOpen: true })
  const wire = {
    socket,
    got: '',
    closed: false,
    write: (text: string) => void socket.write(text, 'latin1'),
    /** Waits until what has come matches, takes it off, and gives it. */
    async expect(pattern: RegExp): Promise<string> {
      await until(`${pattern} in ${JSON.stringify(wire.got)}`, () => pattern.test(wire.got))
      const found = pattern.exec(wire.got)?.[0] ?? ''
      wire.got = wire.got.slice(wire.got.indexOf(found) + found.length)
      return found
    },
  }
  socket.on('data', (bytes: Buffer) => {
    wire.got += bytes.toString('latin1')
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    wire.closed = true
  })
  socket.on('end', () => socket.end())
  t.after(() => socket.destroy())
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  return wire
}
