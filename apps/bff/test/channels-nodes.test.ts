import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { type TestContext, test } from 'node:test'
import { type Edit, inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { type AppProcess, startNodes } from '@audience-bridge/testkit/nodes.ts'
import { VISITOR_AGENT } from '@audience-bridge/testkit/raw.ts'
import { startRedis, withRedis } from '@audience-bridge/testkit/redis.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { startWebSocketEcho } from '@audience-bridge/testkit/websocket.ts'
import { openWebSocket } from '@audience-bridge/testkit/websocket-client.ts'
import { SOCKET_ROUTES } from './websocket-world.ts'

const withoutEvents: Edit = (text) => text.replace(/events:\n(?: .*\n)+/, '')

/** Real processes over one Redis, before a backend for WebSockets and one for streams. */
async function startWorld(t: TestContext, count: number, settings: Edit = (text) => text) {
  const redis = await startRedis(t)
  const [sockets, streams] = [await startWebSocketEcho(t), await startEcho(t)]
  /** Answers a request that is kept waiting. */
  const waiting: (() => void)[] = []
  streams.intercept = (req, res) => {
    if (req.url?.startsWith('/api/slow')) {
      waiting.push(() => res.end('done'))
      return true
    }
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    const timer = setInterval(() => res.write('data: tick\n\n'), 50)
    res.once('close', () => clearInterval(timer))
    return true
  }
  const nodes = await startNodes(t, {
    count,
    edits: {
      'BFF/config/settings.yaml': inOrder(
        withRedis(redis, redis.directory),
        withoutEvents,
        settings,
      ),
      'BFF/config/routes.yaml': SOCKET_ROUTES,
    },
    env: { ANALYTICS_PORT: new URL(sockets.origin).port, CRUD_PORT: String(streams.port) },
  })
  const visitor = await nodes.signedIn()
  const openSocket = (node: AppProcess, who: Visitor) =>
    openWebSocket(new URL('/api/ws/x', node.origin), { cookie: who.cookie, origin: who.bff })
  const openStream = async (node: AppProcess, who: Visitor) => {
    const req = get(new URL('/api/stream/events', node.origin), {
      headers: { cookie: who.cookie, 'user-agent': VISITOR_AGENT },
    })
    req.on('error', () => {})
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    assert.equal(res.statusCode, 200)
    let bytes = 0
    res.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    res.on('error', () => {})
    const ended = new Promise<{ whole: boolean; at: number }>((resolve) => {
      res.once('close', () => resolve({ whole: res.complete, at: performance.now() }))
    })
    await until('the first bytes', () => bytes > 0)
    return { ended, bytes: () => bytes }
  }
  return { redis, nodes, visitor, openSocket, openStream, waiting }
}

test('a sign-out on one node ends what is open on another, within a second', async (t) => {
  const { nodes, visitor, openSocket, openStream } = await startWorld(t, 2)
  const [here, there] = nodes.bffs
  assert.ok(here && there)
  const other = await nodes.signedIn()
  for (let round = 1; round <= 3; round++) {
    const who = round === 1 ? visitor : await nodes.signedIn()
    const socket = await openSocket(there, who)
    const stream = await openStream(there, who)
    const others = await openSocket(there, other)
    const calledAt = performance.now()
    assert.equal((await who.signOut()).status, 200)
    const [closed, ended] = await Promise.all([socket.closed, stream.ended])
    const [socketMs, streamMs] = [closed.at - calledAt, ended.at - calledAt].map(Math.round)
    console.log(
      `sign-out on node A: WebSocket on node B ended after ${socketMs} ms, stream after ${streamMs} ms`,
    )
    assert.deepEqual([closed.code, closed.reason], [1008, 'session ended: logout'])
    assert.equal(ended.whole, false)
    assert.ok(socketMs !== undefined && socketMs < 1000)
    assert.ok(streamMs !== undefined && streamMs < 1000)
    others.send('still here')
    await until("the other user's echo", () => others.messages.length === 1)
    others.socket.close()
  }
})

test('an outage of the store', async (t) => {
  const { redis, nodes, visitor, openSocket, openStream } = await startWorld(t, 1)
  const [node] = nodes.bffs
  assert.ok(node)
  const socket = await openSocket(node, visitor)
  const stream = await openStream(node, visitor)
  const goesOn = async (text: string) => {
    const before = stream.bytes()
    socket.send(text)
    await until('the echo', () => socket.messages.at(-1) === text)
    await until('the stream', () => stream.bytes() > before)
  }

  await t.test('ends nothing that is open', async () => {
    redis.pause()
    await until('the outage', async () => {
      const { status } = await nodes.call(node, visitor, '/api/auth/session')
      return status === 503
    })
    await goesOn('while it is away')
    redis.resume()
    await until('the recovery', async () => {
      const { status } = await nodes.call(node, visitor, '/api/auth/session')
      return status === 200
    })
    await goesOn('when it is back')
  })

  await t.test('hides no end: what could not be heard is asked for', async () => {
    // Nobody may subscribe any longer, and what ends now is not told.
    await redis.cli('acl', 'setuser', 'bff', 'resetchannels')
    for (const key of (await redis.cli('--scan', '--pattern', 'bff:session:*'))
      .trim()
      .split('\n')) {
      await redis.cli('del', key)
    }
    const [closed, ended] = await Promise.all([socket.closed, stream.ended])
    assert.deepEqual([closed.code, closed.reason], [1008, 'session ended: gone'])
    assert.equal(ended.whole, false)
  })
})

test('a process that is told to stop', async (t) => {
  const { nodes, visitor, openSocket, openStream, waiting } = await startWorld(t, 1)
  const [node] = nodes.bffs
  assert.ok(node)
  const socket = await openSocket(node, visitor)
  const stream = await openStream(node, visitor)
  const slow = nodes.call(node, visitor, '/api/crud/slow')
  await until('the slow request', () => waiting.length === 1)
  const stoppedAt = performance.now()
  const exited = node.stop('SIGTERM')

  await t.test('tells what has no end of its own to go, at once', async () => {
    const [closed, ended] = await Promise.all([socket.closed, stream.ended])
    assert.deepEqual([closed.code, closed.reason], [1001, 'the server stops'])
    assert.equal(ended.whole, false)
    assert.ok(Math.max(closed.at, ended.at) - stoppedAt < 1000)
  })

  await t.test('takes no new request, and completes those under way', async () => {
    await until('the closed door', () =>
      nodes.call(node, visitor, '/health').then(
        () => false,
        () => true,
      ),
    )
    for (const answer of waiting) answer()
    const response = await slow
    assert.deepEqual([response.status, await response.text()], [200, 'done'])
    assert.equal(await exited, 0)
  })
})

test('a process that is told to stop waits no longer than server.drain_seconds', async (t) => {
  const { nodes, visitor, waiting } = await startWorld(
    t,
    1,
    replace('server:\n', 'server:\n  drain_seconds: 1\n'),
  )
  const [node] = nodes.bffs
  assert.ok(node)
  const slow = nodes.call(node, visitor, '/api/crud/slow')
  slow.catch(() => {})
  await until('the slow request', () => waiting.length === 1)
  const stoppedAt = performance.now()
  assert.equal(await node.stop('SIGTERM'), 0)
  const took = performance.now() - stoppedAt
  assert.ok(took > 900 && took < 5000, `${took} ms`)
  await assert.rejects(slow)
})
