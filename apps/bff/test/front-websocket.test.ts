import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2'
import { test } from 'node:test'
import { VISITOR_AGENT } from '@audience-bridge/testkit/raw.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { answerOf, startSecure } from './front-world.ts'

/** A text frame as a client sends it: masked, with a key of zeros. */
const textFrame = (text: string) =>
  Buffer.concat([Buffer.of(0x81, 0x80 | text.length, 0, 0, 0, 0), Buffer.from(text)])

test('WebSockets over HTTP/2 (RFC 8441)', async (t) => {
  const { sockets, visitor, origin, session } = await startSecure(t)
  if (!session.remoteSettings?.enableConnectProtocol) await once(session, 'remoteSettings')
  const ask = (more: IncomingHttpHeaders = {}) =>
    session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/api/ws/x',
      'sec-websocket-version': '13',
      'user-agent': VISITOR_AGENT,
      cookie: visitor.cookie,
      origin,
      ...more,
    })
  const open = async (more: IncomingHttpHeaders = {}) => {
    const stream = ask(more)
    const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders]
    assert.equal(head[':status'], 200)
    return { stream, head }
  }
  const next = async (stream: ClientHttp2Stream): Promise<Buffer> => (await once(stream, 'data'))[0]

  await t.test('it is offered', () => {
    assert.equal(session.remoteSettings?.enableConnectProtocol, true)
  })

  await t.test('frames pass both ways, and the backend has the token', async () => {
    const { stream, head } = await open({ 'sec-websocket-protocol': 'chat' })
    assert.equal(head['sec-websocket-protocol'], 'chat')
    assert.equal(head['sec-websocket-accept'], undefined)
    stream.write(textFrame('hello'))
    assert.deepEqual(await next(stream), Buffer.concat([Buffer.of(0x81, 5), Buffer.from('hello')]))
    const peer = sockets.peers.at(-1)
    assert.match(String(peer?.head.headers.authorization), /^Bearer ey/)
    assert.equal(peer?.head.headers.cookie, undefined)
    stream.close()
    await until('the backend is let go', () => peer?.closed)
  })

  for (const [what, more, code] of [
    ['a foreign origin', { origin: 'https://evil.example' }, 'ORIGIN_FORBIDDEN'],
    ['no origin', { origin: undefined }, 'ORIGIN_FORBIDDEN'],
    ['no session', { cookie: '' }, 'SESSION_REQUIRED'],
    ['a route that takes none', { ':path': '/api/off/x' }, 'WEBSOCKET_NOT_ALLOWED'],
    ['another version', { 'sec-websocket-version': '8' }, 'BAD_REQUEST'],
  ] as const) {
    await t.test(`${what} is refused as over HTTP/1.1`, async () => {
      const stream = ask(more as IncomingHttpHeaders)
      stream.end()
      const { status, body } = await answerOf(stream)
      assert.ok(status >= 400)
      assert.equal(JSON.parse(body.toString()).code, code)
    })
  }

  await t.test('it ends with its session, and says so', async () => {
    const { stream } = await open()
    const ended = next(stream)
    const csrf = await answerOf(
      session.request({
        ...{ ':path': '/api/auth/session', cookie: visitor.cookie, 'user-agent': VISITOR_AGENT },
      }),
    ).then(({ body }) => JSON.parse(body.toString()).csrf_token)
    const leaving = session.request(
      {
        ...{ ':method': 'POST', ':path': '/auth/logout', cookie: visitor.cookie, origin },
        ...{ 'user-agent': VISITOR_AGENT, 'x-csrf-token': csrf },
      },
      { endStream: true },
    )
    const left = await answerOf(leaving)
    assert.ok(left.status < 400, left.body.toString())
    // RFC 6455 §5.5.1: a close frame, and the code for a policy.
    const frame = await ended
    assert.equal(frame[0], 0x88)
    assert.equal(frame.readUInt16BE(2), 1008)
  })
})
