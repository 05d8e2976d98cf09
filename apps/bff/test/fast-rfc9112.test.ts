import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { type RawAnswer, sendRaw } from '@audience-bridge/testkit/raw.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { openWire, slowRequests, startRawBackend } from './fast-world.ts'

/*
 * What RFC 9112 demands of whoever receives messages and sends them on, as far as it is about where a
 * message begins and ends. Real bytes at both ends, the fast path in front.
 */

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

test('RFC 9112', async (t) => {
  const backend = await startRawBackend(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: backend.origin },
    edits: {
      'BFF/config/routes.yaml': (text) =>
        `${text}\n  - id: open\n    path: /open/*\n    target_service: analytics_service\n    auth: none\n`,
    },
  })
  const slow = slowRequests(t, gateway.bff)
  let arrived = ''
  /** Sends the bytes; the backend answers each piece that it gets with `answer`, and ends then if told to. */
  const exchange = async (request: string, answer = OK, end = false): Promise<RawAnswer> => {
    arrived = ''
    slow.length = 0
    backend.talk = (bytes, socket) => {
      arrived += bytes.toString('latin1')
      if (!arrived.includes('\r\n\r\n')) return
      if (end) socket.end(answer, 'latin1')
      else socket.write(answer, 'latin1')
    }
    return sendRaw(gateway.bff, request)
  }
  const get = (lines: string[] = [], first = 'GET /open/x HTTP/1.1') =>
    `${[first, 'Host: a.example', 'Connection: close', ...lines].join('\r\n')}\r\n\r\n`
  const refused = async (request: string) => {
    const answer = await exchange(request)
    assert.equal(answer.status, 400)
    assert.equal(arrived, '', 'nothing of it reaches a backend')
  }
  /** The body of an answer that came in chunks. */
  const unchunked = ({ headers, body }: RawAnswer): string => {
    assert.deepEqual(headers.get('transfer-encoding'), ['chunked'])
    let text = ''
    for (let at = 0; ; ) {
      const line = body.indexOf('\r\n', at)
      const size = Number.parseInt(body.slice(at, line), 16)
      assert.ok(size >= 0, 'the chunks are whole')
      if (size === 0) return text
      text += body.slice(line + 2, line + 2 + size)
      at = line + 2 + size + 2
    }
  }
  const invalid = async (answer: string) => {
    const got = await exchange(get(), answer)
    assert.equal(got.status, 502)
    assert.equal(JSON.parse(got.body).code, 'UPSTREAM_INVALID')
    assert.ok(!got.body.includes('evil'))
  }

  await t.test('§2.2: a bare CR in a head is refused', () => refused(get(['X: a\rb'])))
  await t.test('§2.2: white space before the first field is refused', () =>
    refused('GET /open/x HTTP/1.1\r\n Host: a.example\r\n\r\n'),
  )
  await t.test('§2.2: an empty line before a request is ignored', async () => {
    assert.equal((await exchange(`\r\n${get()}`)).status, 200)
  })
  await t.test('§3: a request line with more than its three parts is refused', () =>
    refused(get([], 'GET /open/x y HTTP/1.1')),
  )
  await t.test('§3.2: a request without Host is refused', () =>
    refused('GET /open/x HTTP/1.1\r\n\r\n'),
  )
  await t.test('§3.2: a request with two Hosts is refused', async () => {
    const answer = await exchange(get(['Host: b.example']))
    assert.equal(answer.status, 400)
    assert.equal(arrived, '')
  })
  await t.test('§3.2.2: an absolute target is never read in two ways', async () => {
    const answer = await exchange(get([], 'GET http://b.example/open/x HTTP/1.1'))
    assert.equal(answer.status, 400)
    assert.equal(arrived, '')
  })
  await t.test('§5.1: white space before a colon is refused', () => refused(get(['X : y'])))
  await t.test('§5.1: white space before the colon of a backend never arrives', () =>
    invalid('HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok'),
  )
  await t.test('§5.2: a folded field is refused', () => refused(get(['X: a\r\n b'])))
  await t.test('§5.2: a folded field of a backend is a 502', () =>
    invalid('HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok'),
  )
  await t.test('§6.1: a transfer coding that is not understood is refused', () =>
    refused(get(['Transfer-Encoding: gzip'])),
  )
  await t.test('§6.1: chunked before another coding is refused', () =>
    refused(get(['Transfer-Encoding: chunked, gzip'])),
  )
  await t.test('§6.1: chunked twice is refused or read as chunked once', async () => {
    const answer = await exchange(
      `${get(['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'])}0\r\n\r\n`,
    )
    assert.equal(answer.status, 400)
  })
  await t.test('§6.1: a length is never sent on with a transfer coding', () =>
    refused(`${get(['Content-Length: 5', 'Transfer-Encoding: chunked'])}0\r\n\r\n`),
  )
  await t.test('§6.1: a transfer coding in HTTP/1.0 is faulty framing', () =>
    invalid('HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
  )
  await t.test('§6.1: no transfer coding with 204 or 304', async () => {
    for (const status of ['204 No Content', '304 Not Modified']) {
      const answer = await exchange(get(), `HTTP/1.1 ${status}\r\n\r\n`)
      assert.equal(answer.headers.get('transfer-encoding'), undefined)
    }
  })
  await t.test('§6.2: a request is sent on with the length that it had', async () => {
    await exchange(`${get(['Content-Length: 5'], 'POST /open/x HTTP/1.1')}hello`)
    assert.match(arrived, /^POST [\s\S]*\r\nContent-Length: 5\r\n\r\nhello$/)
    assert.deepEqual(slow, [])
  })
  for (const length of ['+5', '5,6', '5, 5', '0x5', '-1', '5 5', '', 'five']) {
    await t.test(`§6.3.5: the length "${length}" is refused`, () =>
      refused(`${get([`Content-Length: ${length}`], 'POST /open/x HTTP/1.1')}hello`),
    )
    await t.test(`§6.3.5: the length "${length}" of a backend is a 502`, () =>
      invalid(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\nhello`),
    )
  }
  await t.test('§6.3.5: two lengths are refused', () =>
    refused(`${get(['Content-Length: 5', 'Content-Length: 6'], 'POST /open/x HTTP/1.1')}hello`),
  )
  await t.test('§6.3.3: two framings of a backend are a 502', () =>
    invalid('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
  )
  await t.test('§6.3.1: HEAD, 204 and 304 have no body, whatever they say', async () => {
    const length = 'Content-Length: 4\r\n\r\nevil'
    for (const [method, status] of [
      ['HEAD', '200 OK'],
      ['GET', '204 No Content'],
      ['GET', '304 Not Modified'],
    ]) {
      const answer = await exchange(
        get([], `${method} /open/x HTTP/1.1`),
        `HTTP/1.1 ${status}\r\n${length}`,
      )
      assert.equal(answer.body, '')
      assert.equal((await exchange(get())).body, 'ok', 'what was behind it is nobody’s')
    }
  })
  await t.test('§6.3.7: a request without framing has no body', async () => {
    const wire = await openWire(t, gateway.bff)
    backend.talk = (_, socket) => void socket.write(OK)
    wire.write('POST /open/x HTTP/1.1\r\nHost: a\r\n\r\nGET /open/y HTTP/1.1\r\nHost: a\r\n\r\n')
    await wire.expect(/200 OK[\s\S]*ok[\s\S]*200 OK[\s\S]*ok$/)
  })
  await t.test('§6.3.8: an answer without framing ends with its connection', async () => {
    assert.equal(unchunked(await exchange(get(), 'HTTP/1.1 200 OK\r\n\r\nhello', true)), 'hello')
    assert.equal(unchunked(await exchange(get(), 'HTTP/1.0 200 OK\r\n\r\nhello', true)), 'hello')
  })
  await t.test('§7.1: chunks are understood, and their extensions ignored', async () => {
    const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
    for (const body of [
      '5\r\nhello\r\n0\r\n\r\n',
      '00005\r\nhello\r\n000\r\n\r\n',
      '5;a\r\nhello\r\n0;b=c\r\n\r\n',
      '2;a="x\\"y"\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n',
      '5\r\nhello\r\n0\r\nX: trailer\r\nY: z\r\n\r\n',
    ]) {
      const answer = await exchange(get(), chunked + body)
      assert.equal(unchunked(answer), 'hello')
      assert.equal(answer.headers.get('x'), undefined, '§7.1.2: no trailer becomes a header')
    }
  })
  await t.test('§7.1: a chunk size that overflows is no small one', async () => {
    const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
    await invalid(`${chunked}10000000000000005\r\nhello\r\n0\r\n\r\n`)
  })
  await t.test('§8: an answer that was cut short is not completed', async () => {
    const length = await exchange(get(), 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf', true)
    assert.deepEqual([length.headers.get('content-length'), length.body], [['9'], 'half'])
    const chunks = await exchange(
      get(),
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
      true,
    )
    assert.ok(!chunks.body.includes('0\r\n\r\n'))
  })
  await t.test('§9.2: an interim answer is not the answer', async () => {
    for (const interim of ['100 Continue', '102 Processing', '103 Early Hints']) {
      const answer = await exchange(get(), `HTTP/1.1 ${interim}\r\nLink: </a>\r\n\r\n${OK}`)
      assert.deepEqual([answer.status, answer.body], [200, 'ok'])
    }
  })
  await t.test('§9.2: a switch that nobody asked for is a 502', () =>
    invalid('HTTP/1.1 101 Switching Protocols\r\nUpgrade: evil\r\nConnection: Upgrade\r\n\r\nevil'),
  )
  await t.test('§9.3: a connection persists unless one side says otherwise', async () => {
    const wire = await openWire(t, gateway.bff)
    backend.talk = (_, socket) => void socket.write(OK)
    for (let i = 0; i < 3; i++) {
      wire.write('GET /open/x HTTP/1.1\r\nHost: a\r\n\r\n')
      await wire.expect(/200 OK[\s\S]*ok$/)
    }
    wire.write('GET /open/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    await wire.expect(/200 OK[\s\S]*Connection: close[\s\S]*ok$/)
    await until('the end of the connection', () => wire.closed)
  })
  await t.test('§9.3.2: requests sent ahead are answered in their order', async () => {
    const wire = await openWire(t, gateway.bff)
    let held: (() => void) | undefined
    backend.talk = (bytes, socket) => {
      const path = /^GET (\S+)/.exec(bytes.toString('latin1'))?.[1] ?? ''
      const answer = () =>
        void socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`)
      // The first one takes longest.
      if (path === '/open/1') held = answer
      else answer()
    }
    wire.write([1, 2, 3].map((n) => `GET /open/${n} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
    await until('the first one at the backend', () => held !== undefined)
    assert.equal(wire.got, '')
    held?.()
    await wire.expect(/\/open\/1[\s\S]*\/open\/2[\s\S]*\/open\/3$/)
  })
  await t.test('§9.6: nothing is read behind a request that closes', async () => {
    const answer = await exchange(`${get()}${get([], 'GET /open/smuggled HTTP/1.1')}`)
    assert.equal(answer.body, 'ok')
    assert.ok(!arrived.includes('smuggled'))
  })
})
