import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { decodePart, rawNames, rawValues } from '@audience-bridge/testkit/echo.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { frameOf, readFrame } from '@audience-bridge/testkit/websocket.ts'
import { openWebSocket } from '@audience-bridge/testkit/websocket-client.ts'
import { startSockets } from './websocket-world.ts'

const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'
const MASK = Buffer.from([1, 2, 3, 4])

test('a WebSocket through the gateway', async (t) => {
  const { echo, gateway, open, handshakeHead, visitor } = await startSockets(t)
  /** Its handshake as bytes, so that what follows the head can be chosen. */
  const openRaw = async (path: string, early: Buffer): Promise<Socket> => {
    const { hostname, port, host } = new URL(gateway.bff)
    const lines = handshakeHead().map(([name, value]) => `${name}: ${value}`)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    await once(socket, 'connect')
    const head = [`GET ${path} HTTP/1.1`, `Host: ${host}`, ...lines, '', ''].join('\r\n')
    socket.write(Buffer.concat([Buffer.from(head, 'latin1'), early]))
    return socket
  }
  const lastPeer = async (count: number) =>
    until('the handshake at the backend', () => echo.peers.length === count && echo.peers.at(-1))

  await t.test('echoes texts and binaries of every size, with the subprotocol', async () => {
    const opened = await open('/api/ws/room?id=7', {}, ['chat.v2', 'chat.v1'])
    assert.equal(opened.protocol, 'chat.v2')
    const big = randomBytes(3_000_000)
    for (const data of ['', 'hello', 'ä'.repeat(100), big.subarray(0, 200), big]) {
      const { length } = opened.messages
      opened.send(data)
      await until('the echo', () => opened.messages.length > length)
      assert.ok(Buffer.from(opened.messages.at(-1) ?? '?').equals(Buffer.from(data)))
    }
    opened.socket.close(3001, 'enough')
    assert.deepEqual((await opened.closed).code, 3001)
    await until('the end at the backend', () => echo.peers.every(({ closed }) => closed))
  })

  await t.test('brings the backend its token and nothing of the browser', async () => {
    const before = echo.peers.length
    const opened = await open('/api/ws/head', {
      authorization: 'Bearer forged',
      'x-user-id': 'root',
      'x-forwarded-for': '1.2.3.4',
      'x-correlation-id': 'ws-correlation-1',
    })
    const { head } = await lastPeer(before + 1)
    assert.equal(head.url, '/ws/head')
    const tokens = rawValues(head, 'authorization')
    assert.equal(tokens.length, 1)
    const claims = decodePart(tokens[0]?.replace('Bearer ', '') ?? '', 1)
    assert.equal(claims.aud, ANALYTICS)
    assert.deepEqual(rawValues(head, 'x-correlation-id'), ['ws-correlation-1'])
    assert.deepEqual(rawValues(head, 'origin'), [gateway.bff])
    assert.deepEqual(rawValues(head, 'host'), [new URL(echo.origin).host])
    assert.deepEqual(rawValues(head, 'sec-websocket-version'), ['13'])
    const names = rawNames(head)
    for (const name of ['cookie', 'x-user-id']) assert.ok(!names.includes(name), name)
    assert.ok(!rawValues(head, 'x-forwarded-for').join().includes('1.2.3.4'))
    opened.socket.close()
    await opened.closed
  })

  await t.test('is accounted for when it is over, with how long it lasted', async () => {
    const opened = await open('/api/ws/account', { 'x-correlation-id': 'ws-accounted' })
    const line = () => gateway.logs.find((entry) => entry.correlation_id === 'ws-accounted')
    opened.send('still open')
    await until('the echo', () => opened.messages.length === 1)
    assert.equal(line(), undefined)
    opened.socket.close()
    await opened.closed
    const entry = await until('the access line', line)
    assert.deepEqual(
      [entry.status, entry.route_id, entry.token_found, entry.aborted],
      [101, 'ws', true, undefined],
    )
    const metrics = await (
      await fetch(`${gateway.bff}/metrics`, {
        headers: { authorization: `Bearer ${gateway.adminToken}` },
      })
    ).text()
    assert.match(metrics, /http_requests_total\{method="GET",endpoint="ws",status="101"\} \d/)
  })

  await t.test('passes on what the client sent before it was answered', async () => {
    const before = echo.peers.length
    const socket = await openRaw('/api/ws/early', frameOf(1, Buffer.from('early bird'), MASK))
    const peer = await lastPeer(before + 1)
    await until('the early frame', () => peer.frames.length === 1)
    assert.equal(peer.frames[0]?.payload.toString(), 'early bird')
    socket.destroy()
    await until('the end at the backend', () => peer.closed)
  })

  await t.test('passes on what the backend sent with its head', async (t) => {
    echo.intercept = (req, socket) => {
      if (!req.url?.startsWith('/ws/at-once')) return false
      const early = frameOf(1, Buffer.from('welcome'))
      const write = socket.write.bind(socket)
      // One packet: head and frame.
      socket.write = ((chunk: string) => write(Buffer.concat([Buffer.from(chunk), early]))) as never
      return false
    }
    t.after(() => {
      echo.intercept = undefined
    })
    const opened = await open('/api/ws/at-once')
    await until('the early frame', () => opened.messages.length === 1)
    assert.deepEqual(opened.messages, ['welcome'])
    opened.socket.close()
    await opened.closed
  })

  await t.test('drops what the backend says of our cookies', async (t) => {
    const { sessionName } = gateway.config().frontends.first.cookies
    echo.intercept = (_req, socket) => {
      const write = socket.write.bind(socket)
      socket.write = ((chunk: string) =>
        write(
          chunk.replace(
            'Upgrade: websocket\r\n',
            `Upgrade: websocket\r\nSet-Cookie: ${sessionName}=fixed\r\nSet-Cookie: mine=1\r\nContent-Length: 5\r\nAccess-Control-Allow-Origin: *\r\n`,
          ),
        )) as never
      return false
    }
    t.after(() => {
      echo.intercept = undefined
    })
    const socket = await openRaw('/api/ws/cookies', Buffer.alloc(0))
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    const head = chunk.toString('latin1')
    assert.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
    assert.match(head, /\r\nset-cookie: mine=1\r\n/i)
    assert.ok(!/fixed|content-length|access-control/i.test(head), head)
    socket.destroy()
  })

  await t.test('ends on the other side when either side is gone', async () => {
    const before = echo.peers.length
    const opened = await open()
    const peer = await lastPeer(before + 1)
    peer.socket.destroy()
    assert.equal((await opened.closed).code, 1006)
    const socket = await openRaw('/api/ws/x', Buffer.alloc(0))
    const second = await lastPeer(before + 2)
    socket.destroy()
    await until('the end at the backend', () => second.closed)
  })

  await t.test('whose client closes its half gets what was on its way, then ends', async () => {
    const before = echo.peers.length
    const socket = await openRaw('/api/ws/x', frameOf(1, Buffer.from('last words'), MASK))
    socket.end()
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    const whole = Buffer.concat(chunks)
    const frame = readFrame(whole.subarray(whole.indexOf('\r\n\r\n') + 4))
    assert.equal(frame?.payload.toString(), 'last words')
    await until('the end at the backend', () => echo.peers[before]?.closed)
  })

  await t.test('makes a fast backend wait for a slow browser', async () => {
    const before = echo.peers.length
    const socket = await openRaw('/api/ws/slow', Buffer.alloc(0))
    const peer = await lastPeer(before + 1)
    await once(socket, 'data')
    socket.pause()
    const total = 64 * 1024 * 1024
    const piece = Buffer.alloc(1024 * 1024)
    for (let sent = 0; sent < total; sent += piece.length) peer.send(piece, 2)
    // What nobody reads stays with the backend: kernel buffers hold some megabytes at most.
    let held = 0
    await until('a steady state', async () => {
      const now = peer.socket.writableLength
      const steady = now === held
      held = now
      await new Promise((resolve) => setTimeout(resolve, 200))
      return steady
    })
    assert.ok(held > total / 2, `${held} bytes are held back`)
    let received = 0
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    socket.resume()
    await until('all of it', () => received >= total, 30_000)
    socket.destroy()
  })

  await t.test('is open to everybody on an `auth: none` route, without a token', async () => {
    const before = echo.peers.length
    // A page of an origin that is not listed is refused, here too; whatever is no page names none.
    await assert.rejects(open('/open/ws', { origin: 'https://elsewhere.example' }), /refused/)
    const opened = await openWebSocket(new URL('/open/ws', gateway.bff), { cookie: visitor.cookie })
    const { head } = await lastPeer(before + 1)
    assert.deepEqual(rawValues(head, 'authorization'), [])
    assert.ok(!rawNames(head).includes('cookie'))
    opened.socket.close()
    await opened.closed
  })

  await t.test('is open to a token for its service on an `auth: bearer` route', async () => {
    const session = await gateway.openSession(visitor)
    const token = session?.tokens.get('analytics_service')?.token ?? ''
    const before = echo.peers.length
    const opened = await openWebSocket(new URL('/machine/ws', gateway.bff), {
      authorization: `Bearer ${token}`,
    })
    const { head } = await lastPeer(before + 1)
    assert.deepEqual(rawValues(head, 'authorization'), [`Bearer ${token}`])
    opened.socket.close()
    await opened.closed
  })

  await t.test('is limited to 64 for each session; plain requests go on', async () => {
    const sockets = await Promise.all(Array.from({ length: 64 }, () => open()))
    await assert.rejects(open(), /refused/)
    assert.equal((await visitor.fetch('/api/ws/plain')).status, 200)
    sockets[0]?.socket.close()
    await sockets[0]?.closed
    const again = await until('a free place', () => open().catch(() => undefined))
    for (const { socket } of [...sockets, again]) socket.close()
    await Promise.all([...sockets, again].map(({ closed }) => closed))
  })
})
