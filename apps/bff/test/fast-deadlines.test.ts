import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { BackendPool } from '@audience-bridge/bff/fast/backend-pool.ts'
import { ClientConnection, type FastDeps } from '@audience-bridge/bff/fast/client-connection.ts'
import { CoarseClock } from '@audience-bridge/bff/fast/coarse-clock.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { startRawBackend } from './fast-world.ts'

/** Nothing else happens in this process for so long. */
function stall(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

/** A client that reads only when told to, and the gateway's side of its connection. */
async function openUnread(t: TestContext) {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no address')
  const accepted = once(server, 'connection')
  const client = connect(address.port, '127.0.0.1').on('error', () => {})
  client.pause()
  const [socket] = (await accepted) as [Socket]
  const clock = new CoarseClock(() => {})
  t.after(() => {
    clock.stop()
    client.destroy()
    socket.destroy()
    server.close()
  })
  const deps = {
    clock,
    firstMs: () => 60_000,
    unreadMs: () => 60_000,
    closed: () => {},
  } as Partial<FastDeps> as FastDeps
  return { client, socket, connection: new ClientConnection(socket, deps) }
}

test('a client that reads slowly keeps its connection, one that has stopped does not', async (t) => {
  const { client, socket, connection } = await openUnread(t)
  const block = Buffer.alloc(65_536, 'x')
  for (let i = 0; i < 256; i++) connection.data(block, 0, block.length)
  connection.flush()
  const left = () => socket.bytesWritten - socket.writableLength
  const before = left()
  client.on('data', () => {
    if (left() > before) client.pause()
  })
  client.resume()
  await until('some of it to leave', () => left() > before)
  assert.ok(socket.writableLength > 0, 'there is no rest that waits for the client')
  connection.look(performance.now() + 61_000)
  assert.equal(socket.destroyed, false, 'a client that reads was cut')
  connection.look(performance.now() + 122_000)
  assert.equal(socket.destroyed, true, 'a client that does not read was kept')
})

test('a deadline that is set after a stall does not come too early', (t) => {
  const clock = new CoarseClock(() => {})
  t.after(() => clock.stop())
  stall(300)
  const now = performance.now()
  assert.ok(clock.after(100) >= now + 100)
})

test('an answer that came during a stall is read before deadlines are looked at', async (t) => {
  const backend = await startRawBackend(t)
  const clock = new CoarseClock((now) => pool.look(now))
  const pool = new BackendPool(clock)
  t.after(() => {
    clock.stop()
    pool.close()
  })
  backend.talk = (_bytes, socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
    stall(800)
  }
  const how = await new Promise<string>((resolve) => {
    pool.ask(
      new URL(backend.origin),
      {
        head: () => {},
        data: () => {},
        flush: () => {},
        end: () => resolve('answered'),
        failed: ({ kind }) => resolve(kind),
      },
      {
        ...{ method: 'GET', head: 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', body: undefined },
        ...{ connectMs: 5_000, headMs: 300, pauseMs: 0 },
      },
    )
  })
  assert.equal(how, 'answered')
})
