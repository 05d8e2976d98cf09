import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VISITOR_AGENT } from '@audience-bridge/testkit/raw.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { block, CODE, END_HEADERS, END_STREAM, FRAME, FramePeer, frame } from './front-frames.ts'
import { ask, startSecure } from './front-world.ts'

/** As `h2spec` asks, frame by frame: what RFC 9113 requires of a server that a peer may try. */
test('HTTP/2, frame by frame', async (t) => {
  const { origin, echo, session, visitor } = await startSecure(t)
  const port = Number(new URL(origin).port)
  const GET = [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':authority', `localhost:${port}`],
    [':path', '/health'],
  ] as const
  const POST = [[':method', 'POST'], ...GET.slice(1, 3), [':path', '/api/crud/x']] as const
  const peer = async () => (await FramePeer.connect(t, port)).begin()

  await t.test('§3.4: a request behind the preface is answered', async () => {
    const client = await peer()
    client.request(1, GET)
    assert.ok((await client.got(FRAME.HEADERS, 1)).payload.length > 0)
    await client.got(FRAME.SETTINGS, 0)
  })

  await t.test('§3.4: without the preface the connection ends', async () => {
    const client = await FramePeer.connect(t, port)
    client.send('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await until('the end', () => client.closed)
    assert.equal(client.frames.filter(({ type }) => type === FRAME.HEADERS).length, 0)
  })

  const FAULTS: Record<
    string,
    [send: (client: FramePeer) => void, codes: number[], stream?: number]
  > = {
    '§4.2: a frame larger than SETTINGS_MAX_FRAME_SIZE': [
      (client) => client.send(frame(FRAME.DATA, 0, 1, Buffer.alloc(16_385))),
      [CODE.FRAME_SIZE_ERROR],
    ],
    '§4.3: a field block that is no HPACK': [
      (client) =>
        client.send(frame(FRAME.HEADERS, END_STREAM | END_HEADERS, 1, Buffer.of(0xff, 0xff, 0xff))),
      [CODE.COMPRESSION_ERROR, CODE.PROTOCOL_ERROR],
    ],
    '§5.1: DATA on a stream that is idle': [
      (client) => client.send(frame(FRAME.DATA, END_STREAM, 1, Buffer.from('x'))),
      [CODE.PROTOCOL_ERROR],
    ],
    '§5.1: WINDOW_UPDATE on a stream that is idle': [
      (client) => client.send(frame(FRAME.WINDOW_UPDATE, 0, 1, Buffer.of(0, 0, 0, 1))),
      [CODE.PROTOCOL_ERROR],
    ],
    '§5.1.1: a stream of an even number': [
      (client) => client.request(2, GET),
      [CODE.PROTOCOL_ERROR],
    ],
    '§6.1: DATA on stream 0': [
      (client) => client.send(frame(FRAME.DATA, 0, 0, Buffer.from('x'))),
      [CODE.PROTOCOL_ERROR],
    ],
    '§6.1: padding longer than the frame': [
      (client) => {
        client.request(1, POST, 0)
        client.send(frame(FRAME.DATA, 0x8, 1, Buffer.of(200, 1, 2)))
      },
      [CODE.PROTOCOL_ERROR],
    ],
    '§6.2: HEADERS on stream 0': [(client) => client.request(0, GET), [CODE.PROTOCOL_ERROR]],
    '§6.2: another frame amid a field block': [
      (client) =>
        client.send(
          frame(FRAME.HEADERS, END_STREAM, 1, block(GET)),
          frame(FRAME.PING, 0, 0, Buffer.alloc(8)),
        ),
      [CODE.PROTOCOL_ERROR],
    ],
    '§6.4: RST_STREAM of a length other than 4': [
      (client) => {
        client.request(1, GET)
        client.send(frame(FRAME.RST_STREAM, 0, 1, Buffer.alloc(3)))
      },
      [CODE.FRAME_SIZE_ERROR],
    ],
    '§6.5: SETTINGS with ACK and a payload': [
      (client) => client.send(frame(FRAME.SETTINGS, 1, 0, Buffer.alloc(6))),
      [CODE.FRAME_SIZE_ERROR],
    ],
    '§6.5: SETTINGS on a stream': [
      (client) => client.send(frame(FRAME.SETTINGS, 0, 1)),
      [CODE.PROTOCOL_ERROR],
    ],
    '§6.5.2: ENABLE_PUSH other than 0 or 1': [
      (client) => client.send(frame(FRAME.SETTINGS, 0, 0, Buffer.of(0, 2, 0, 0, 0, 2))),
      [CODE.PROTOCOL_ERROR],
    ],
    '§6.5.2: a window larger than 2^31-1': [
      (client) => client.send(frame(FRAME.SETTINGS, 0, 0, Buffer.of(0, 4, 0xff, 0xff, 0xff, 0xff))),
      [CODE.FLOW_CONTROL_ERROR],
    ],
    '§6.6: PUSH_PROMISE from a client': [
      (client) => client.send(frame(FRAME.PUSH_PROMISE, END_HEADERS, 1, Buffer.of(0, 0, 0, 2))),
      [CODE.PROTOCOL_ERROR],
    ],
    '§6.7: PING of a length other than 8': [
      (client) => client.send(frame(FRAME.PING, 0, 0, Buffer.alloc(7))),
      [CODE.FRAME_SIZE_ERROR],
    ],
    '§6.9: WINDOW_UPDATE by 0': [
      (client) => client.send(frame(FRAME.WINDOW_UPDATE, 0, 0, Buffer.alloc(4))),
      [CODE.PROTOCOL_ERROR],
    ],
    '§6.9.1: windows beyond 2^31-1': [
      (client) => client.send(frame(FRAME.WINDOW_UPDATE, 0, 0, Buffer.of(0x7f, 0xff, 0xff, 0xff))),
      [CODE.FLOW_CONTROL_ERROR],
    ],
    '§6.10: CONTINUATION behind nothing': [
      (client) => client.send(frame(FRAME.CONTINUATION, END_HEADERS, 1, block(GET))),
      [CODE.PROTOCOL_ERROR],
    ],
    '§8.2.1: an upper-case name': [
      (client) => client.request(1, [...GET, ['X-Y', 'a']]),
      [CODE.PROTOCOL_ERROR],
      1,
    ],
    '§8.2.2: transfer-encoding, the H2.TE of request smuggling': [
      (client) => client.request(1, [...GET, ['transfer-encoding', 'chunked']]),
      [CODE.PROTOCOL_ERROR],
      1,
    ],
    '§8.3: a pseudo-field behind a field': [
      (client) => client.request(1, [['x', 'a'], ...GET]),
      [CODE.PROTOCOL_ERROR],
      1,
    ],
    '§8.3.1: no path': [(client) => client.request(1, GET.slice(0, 3)), [CODE.PROTOCOL_ERROR], 1],
    '§8.3.1: a path that is a URL, with a host of its own': [
      (client) => client.request(1, [...GET.slice(0, 3), [':path', 'http://admin/health']]),
      [CODE.PROTOCOL_ERROR],
      1,
    ],
    '§8.3: a pseudo-field of an answer': [
      (client) => client.request(1, [[':status', '200'], ...GET]),
      [CODE.PROTOCOL_ERROR],
      1,
    ],
    '§8.1: a pseudo-field in a trailer': [
      (client) => {
        client.request(1, POST, 0)
        client.request(1, [[':path', '/y']])
      },
      [CODE.PROTOCOL_ERROR],
      1,
    ],
  }
  for (const [what, [send, codes, stream = 0]] of Object.entries(FAULTS)) {
    await t.test(`${what} is an error`, async () => {
      const client = await peer()
      send(client)
      const code = await client.fault(stream)
      // §5.4.1: an endpoint may end the connection for whatever it may end a stream for.
      assert.ok(codes.includes(code), `the code is ${code}`)
      assert.ok(!echo.arrivals.some(({ url }) => url.includes('admin')))
    })
  }

  // nghttp2 cannot know whether it has reset such a stream itself, and drops what comes for it as long
  // as it remembers the stream.
  await t.test('§5.1: what comes for a stream that is over is nobody’s', async () => {
    const client = await peer()
    client.request(5, GET)
    await client.got(FRAME.HEADERS, 5)
    client.send(frame(FRAME.DATA, 0, 5, Buffer.from('x')))
    client.request(3, GET)
    client.request(7, GET)
    // It may also have forgotten them by then, and end the connection.
    await until('the answer, or the end', () =>
      client.frames.some(
        ({ type, stream }) => (type === FRAME.HEADERS && stream === 7) || type === FRAME.GOAWAY,
      ),
    )
    assert.ok(!client.frames.some(({ type, stream }) => type === FRAME.HEADERS && stream === 3))
  })

  const own = [
    ['cookie', visitor.cookie],
    ['user-agent', VISITOR_AGENT],
  ] as const
  const CALL = [...GET.slice(0, 3), [':path', '/api/crud/framed']] as const

  await t.test('§8.1.1: a body longer than its length ends there, and the stream', async () => {
    const client = await peer()
    const before = echo.arrivals.length
    client.request(1, [...CALL, ...own, ['content-length', '3']], 0)
    client.send(frame(FRAME.DATA, END_STREAM, 1, Buffer.from('x=1GET /admin HTTP/1.1\r\n\r\n')))
    const code = await client.fault(1)
    assert.ok([CODE.PROTOCOL_ERROR, CODE.INTERNAL_ERROR].includes(code as 1), `the code is ${code}`)
    const arrived = echo.arrivals.slice(before)
    assert.ok(!arrived.some(({ url, body }) => url.includes('admin') || body.length > 3))
  })

  await t.test('§8.2.1: a field with a line break in it never reaches a backend', async () => {
    const client = await peer()
    client.request(1, [...CALL, ...own, ['x-y', 'a\r\nx-admin: 1'], ['x-z', 'b']])
    await client.got(FRAME.HEADERS, 1)
    const { headers, url } = echo.arrivals.at(-1) ?? {}
    assert.equal(url, '/api/framed')
    assert.equal(headers?.['x-z'], 'b')
    assert.deepEqual([headers?.['x-y'], headers?.['x-admin']], [undefined, undefined])
  })

  // The attack: behind the last chunk a trailer is text, and an empty line in it the end of the request.
  await t.test('§8.1: a trailer is never a second request, nor a field of the first', async () => {
    const { csrf_token: csrf } = JSON.parse(
      (
        await ask(session, { ':path': '/api/auth/session', cookie: visitor.cookie })
      ).body.toString(),
    )
    for (const value of [
      'a\r\nx-admin: 1',
      'a\r\n\r\nGET /api/crud/admin HTTP/1.1\r\nhost: x\r\n\r\n',
    ]) {
      const client = await peer()
      const before = echo.arrivals.length
      const proof = [
        ['origin', origin],
        ['x-csrf-token', csrf],
      ] as const
      client.request(1, [[':method', 'POST'], ...CALL.slice(1), ...own, ...proof], 0)
      client.send(frame(FRAME.DATA, 0, 1, Buffer.from('body')))
      client.request(1, [
        ['x-y', value],
        ['x-z', 'b'],
      ])
      await client.got(FRAME.HEADERS, 1)
      const arrived = echo.arrivals.slice(before)
      assert.deepEqual(
        arrived.map(({ url, body }) => [url, body.toString()]),
        [['/api/framed', 'body']],
      )
      assert.deepEqual(
        [arrived[0]?.headers['x-admin'], arrived[0]?.headers['x-z']],
        [undefined, undefined],
      )
    }
  })

  await t.test('§6.7: a PING comes back with what it held', async () => {
    const client = await peer()
    client.send(frame(FRAME.PING, 0, 0, Buffer.from('eight by')))
    assert.equal((await client.got(FRAME.PING, 0)).payload.toString(), 'eight by')
  })

  await t.test('§4.1: a frame of a type that nobody knows is ignored', async () => {
    const client = await peer()
    client.send(frame(0x5f, 0xff, 0, Buffer.from('what')))
    client.request(1, GET)
    await client.got(FRAME.HEADERS, 1)
  })

  const FLOODS: Record<string, (client: FramePeer) => void> = {
    'streams that are opened and reset (CVE-2023-44487)': (client) => {
      for (let i = 1; i < 4000; i += 2) {
        client.request(i, GET)
        client.send(frame(FRAME.RST_STREAM, 0, i, Buffer.of(0, 0, 0, 8)))
      }
    },
    'a head without an end (CVE-2024-27316)': (client) => {
      client.send(frame(FRAME.HEADERS, END_STREAM, 1, block(GET)))
      const more = block([['x', 'y'.repeat(16_000)]])
      for (let i = 0; i < 200; i++) client.send(frame(FRAME.CONTINUATION, 0, 1, more))
    },
    'settings (CVE-2019-9515)': (client) => {
      for (let i = 0; i < 20_000; i++) client.send(frame(FRAME.SETTINGS, 0, 0))
    },
  }
  for (const [what, flood] of Object.entries(FLOODS)) {
    await t.test(`a flood of ${what} ends its connection, and no other`, async () => {
      const client = await peer()
      flood(client)
      await until('the end', () => client.closed, 20_000)
      assert.equal((await ask(session, { ':path': '/health' })).status, 200)
    })
  }

  await t.test('empty frames and pings without an end harm nobody', async () => {
    const client = await peer()
    client.request(1, POST, 0)
    for (let i = 0; i < 2000; i++) client.send(frame(FRAME.DATA, 0, 1))
    for (let i = 0; i < 2000; i++) client.send(frame(FRAME.PING, 0, 0, Buffer.alloc(8)))
    assert.equal((await ask(session, { ':path': '/health' })).status, 200)
  })
})
