import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { type TestContext, test } from 'node:test'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { VISITOR_AGENT } from '@audience-bridge/testkit/raw.ts'
import { freezeTime } from '@audience-bridge/testkit/time.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { frameOf } from '@audience-bridge/testkit/websocket.ts'
import { startSockets } from './websocket-world.ts'

const EVENTS = '/api/crud/events'
const DOWNLOAD = '/api/crud/download'
const POLL = '/api/crud/poll'

async function startChannels(t: TestContext) {
  const backend = await startEcho(t)
  backend.intercept = (req, res) => {
    if (req.url === '/api/poll') return true
    const type = req.url === '/api/events' ? 'text/event-stream' : 'application/octet-stream'
    res.writeHead(200, { 'content-type': type })
    const timer = setInterval(() => res.write('data: tick\n\n'), 50)
    res.once('close', () => clearInterval(timer))
    return true
  }
  const sockets = await startSockets(t, {
    upstreams: { crud_service: backend.origin },
    edits: {
      'BFF/config/settings.yaml': inOrder(
        replace('idle_seconds: 1800', 'idle_seconds: 600'),
        replace('absolute_seconds: 28800', 'absolute_seconds: 3600'),
      ),
    },
  })
  const { gateway } = sockets
  /** An answer that is under way: what came of it, and how it ended. */
  const download = async (who: Visitor, path: string) => {
    const req = get(new URL(path, gateway.bff), {
      headers: { cookie: who.cookie, 'user-agent': VISITOR_AGENT },
    })
    req.on('error', () => {})
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    let bytes = 0
    res.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    const ended = new Promise<{ whole: boolean; at: number }>((resolve) => {
      res.once('close', () => resolve({ whole: res.complete, at: performance.now() }))
    })
    res.on('error', () => {})
    await until('the first bytes', () => bytes > 0)
    return { res, ended, bytes: () => bytes }
  }
  const openChannels = async () => {
    const response = await fetch(`${gateway.bff}/metrics`, {
      headers: { authorization: `Bearer ${gateway.adminToken}` },
    })
    return Number(/^bff_open_channels (\d+)$/m.exec(await response.text())?.[1])
  }
  const counted = (count: number) =>
    until(`${count} open channels`, async () => (await openChannels()) === count)
  return { ...sockets, download, openChannels, counted }
}

test('a sign-out ends what is open for the session, within a second', async (t) => {
  const { gateway, visitor, open, download, counted, openChannels } = await startChannels(t)
  const other = await gateway.signedIn()
  const others = await download(other, EVENTS)
  const socket = await open()
  const events = await download(visitor, EVENTS)
  const file = await download(visitor, DOWNLOAD)
  const poll = visitor.fetch(POLL)
  assert.equal((await visitor.fetch('/api/ws/short')).status, 200)
  // The socket, three streams, and the poll that waits for its head; not what is over.
  await counted(5)

  const signedOutAt = performance.now()
  assert.equal((await visitor.signOut()).status, 200)
  const closed = await socket.closed
  assert.deepEqual([closed.code, closed.reason], [1008, 'session ended: logout'])
  for (const { ended } of [events, file]) {
    const { whole, at } = await ended
    assert.equal(whole, false, 'cut short, and seen as such')
    assert.ok(at - signedOutAt < 1000, `${at - signedOutAt} ms`)
  }
  assert.ok(closed.at - signedOutAt < 1000, `${closed.at - signedOutAt} ms`)
  const refused = await poll
  assert.equal(refused.status, 401)
  assert.equal(((await refused.json()) as { code: string }).code, 'SESSION_EXPIRED')
  await counted(1)

  const before = others.bytes()
  await until("the other user's stream", () => others.bytes() > before)
  others.res.destroy()
  await counted(0)
  const ends = gateway.logs.filter(({ session_ended: reason }) => reason === 'logout')
  assert.deepEqual(ends.map(({ status }) => status).sort(), [101, 200, 200, 401])
  assert.equal(await openChannels(), 0)
})

test('what is begun and has not lasted yet ends as well', async (t) => {
  const { visitor, download, counted } = await startChannels(t)
  const file = await download(visitor, DOWNLOAD)
  await visitor.signOut()
  assert.equal((await file.ended).whole, false)
  await counted(0)
})

test('a WebSocket amid a frame ends without a close frame, which would be read as its payload', async (t) => {
  const { visitor, open, echo } = await startChannels(t)
  const socket = await open()
  const peer = await until('the handshake at the backend', () => echo.peers[0])
  const frame = frameOf(2, Buffer.alloc(1000))
  peer.send('before')
  peer.socket.write(frame.subarray(0, 500))
  await until('the first frame', () => socket.messages.length === 1)
  await visitor.signOut()
  assert.deepEqual((await socket.closed).code, 1006)
  assert.deepEqual(socket.messages, ['before'])
  await until('the end at the backend', () => peer.closed)
})

test('the absolute limit ends what is open, however busy', async (t) => {
  const time = freezeTime(t)
  const { visitor, open, download, gateway } = await startChannels(t)
  const socket = await open()
  const events = await download(visitor, EVENTS)
  for (let passed = 0; passed < 3600; passed += 300) {
    socket.send('busy')
    await until('the echo', () => socket.messages.length === passed / 300 + 1)
    time.pass(300)
  }
  const { code, reason } = await socket.closed
  assert.deepEqual([code, reason], [1008, 'session ended: absolute'])
  assert.equal((await events.ended).whole, false)
  assert.deepEqual(await gateway.openSession(visitor), undefined)
})

test('who only listens is idle; who sends is not', async (t) => {
  const time = freezeTime(t)
  const { open, gateway, echo } = await startChannels(t)
  const quiet = await gateway.signedIn()
  const sending = await open('/api/ws/sending')
  const listening = await open('/api/ws/listening', { cookie: quiet.cookie })
  const peer = await until('the handshakes', () =>
    echo.peers.find(({ head }) => head.url === '/ws/listening'),
  )
  for (let round = 1; round <= 4; round++) {
    time.pass(140)
    sending.send('here')
    peer.send('', 9)
    await until(
      'the pong',
      () => peer.frames.filter(({ opcode }) => opcode === 10).length === round,
    )
    await until('the echo', () => sending.messages.length === round)
  }
  time.pass(140)
  const { code, reason } = await listening.closed
  assert.deepEqual([code, reason], [1008, 'session ended: idle'])
  sending.send('still here')
  await until('the echo', () => sending.messages.length === 5)
  assert.equal(sending.socket.readyState, WebSocket.OPEN)
  sending.socket.close()
  await sending.closed
})
