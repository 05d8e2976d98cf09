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

for (const fast of [true, false]) {
  test(`RFC 9112, by ${fast ? 'the fast path' : 'the HTTP server'}`, async (t) => {
    const backend = await startRawBackend(t)
    const gateway = await startGateway(t, {
      upstreams: { analytics_service: backend.origin },
      edits: {
        'BFF/config/settings.yaml': (text) =>
          text.replace('server:\n', `server:\n  fast_path: ${fast}\n`),
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
    await t.test('§6.1: a transfer coding in HTTP/1.0 is faulty framing', async () => {
      const answer = 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'
      if (fast) return invalid(answer)
      // undici reads it, and uses the connection for nothing more.
      const before = backend.connections
      assert.equal((await exchange(get(), answer)).status, 200)
      assert.equal((await exchange(get())).body, 'ok')
      assert.equal(backend.connections, before + 2)
    })
    await t.test('§6.1: no transfer coding with 204 or 304', async () => {
      for (const status of ['204 No Content', '304 Not Modified']) {
        const answer = await exchange(get(), `HTTP/1.1 ${status}\r\n\r\n`)
        assert.equal(answer.headers.get('transfer-encoding'), undefined)
      }
    })
    await t.test('§6.2: a request is sent on with the length that it had', async () => {
      await exchange(`${get(['Content-Length: 5'], 'POST /open/x HTTP/1.1')}hello`)
      assert.match(arrived, /^POST [\s\S]*\r\nContent-Length: 5\r\n\r\nhello$/i)
      if (fast) assert.deepEqual(slow, [])
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
      invalid(
        'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      ),
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
      const answer = `${chunked}10000000000000005\r\nhello\r\n0\r\n\r\n`
      if (fast) return invalid(answer)
      // Its head is on its way by then: it must not look whole.
      const got = await exchange(get(), answer).catch(() => undefined)
      assert.ok(got === undefined || !got.body.includes('hello'))
      assert.ok(got === undefined || !got.body.endsWith('0\r\n\r\n'))
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
      // undici takes a 100 that nobody asked for as a fault.
      for (const interim of [
        ...(fast ? ['100 Continue'] : []),
        '102 Processing',
        '103 Early Hints',
      ]) {
        const answer = await exchange(get(), `HTTP/1.1 ${interim}\r\nLink: </a>\r\n\r\n${OK}`)
        assert.deepEqual([answer.status, answer.body], [200, 'ok'])
      }
    })
    await t.test('§9.2: a switch that nobody asked for is a 502', async () => {
      const head = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: evil\r\nConnection: Upgrade'
      const got = await exchange(get(), `${head}\r\n\r\nevil`)
      assert.equal(got.status, 502)
      assert.ok(!got.body.includes('evil'))
    })
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
      // Node's parser takes what follows as a fault, which may overtake the answer.
      assert.ok(answer.body === 'ok' || (!fast && answer.status === 400))
      assert.ok(!arrived.includes('smuggled'))
    })

    await t.test('§2.2: a line that ends with LF alone is refused', () =>
      refused('GET /open/x HTTP/1.1\nHost: a.example\n\n'),
    )
    await t.test('§2.3: another major version is refused', async () => {
      for (const version of ['HTTP/2.0', 'HTTP/0.9', 'HTTP/3.0', 'http/1.1', 'HTTP/1.1x']) {
        const answer = await exchange(get([], `GET /open/x ${version}`))
        assert.ok(answer.status === 400 || answer.status === 505, `${version}: ${answer.status}`)
        assert.equal(arrived, '')
      }
    })
    await t.test('§3.2: a Host that is none is refused', async () => {
      for (const host of [
        'a b',
        'a.example/x',
        'user@a.example',
        'a.example, b.example',
        'a#b',
        'a.example:x',
      ]) {
        const answer = await exchange(
          `GET /open/x HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
        )
        assert.equal(answer.status, 400, host)
        assert.equal(arrived, '')
      }
    })
    await t.test(
      '§6.1: an answer to HTTP/1.0 has no transfer coding, and ends with its connection',
      async () => {
        const chunked =
          'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'
        const answer = await exchange('GET /open/x HTTP/1.0\r\nHost: a.example\r\n\r\n', chunked)
        assert.equal(answer.headers.get('transfer-encoding'), undefined)
        assert.equal(answer.body, 'hello')
      },
    )
    await t.test('§6.1: a transfer coding in a request of HTTP/1.0 is faulty framing', async () => {
      const wire = await openWire(t, gateway.bff)
      arrived = ''
      backend.talk = (bytes, socket) => {
        arrived += bytes.toString('latin1')
        socket.write(OK)
      }
      wire.write(
        'POST /open/x HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /open/smuggled HTTP/1.1\r\nHost: a\r\n\r\n',
      )
      await until('the end of the connection', () => wire.closed)
      assert.doesNotMatch(arrived, /smuggled/)
    })
    await t.test('§6.2: chunks are sent on without a length', async () => {
      await exchange(
        `${get(['Transfer-Encoding: chunked'], 'POST /open/x HTTP/1.1')}5;ext="a\\"b"\r\nhello\r\n`.concat(
          '0\r\n\r\n',
        ),
      )
      assert.ok(!(/content-length/i.test(arrived) && /transfer-encoding/i.test(arrived)), arrived)
      assert.match(arrived, /hello/)
      assert.doesNotMatch(arrived, /ext/, '§7.1.1: what is not understood is not sent on')
    })
    await t.test(
      '§6.3.5: behind an answer that is none the connection is not used again',
      async () => {
        await invalid('HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhello')
        const before = backend.connections
        assert.equal((await exchange(get())).status, 200)
        assert.equal(backend.connections, before + 1)
      },
    )
    for (const chunks of [
      '10000000000000005\r\nhello',
      '-5\r\nhello',
      '5 \r\nhello',
      '0x5\r\nhello',
      '5\nhello',
      '5\r\nhelloX\r\n',
      '\r\nhello',
    ]) {
      await t.test(
        `§7.1: the chunk ${JSON.stringify(chunks)} of a request is refused, and completed by nobody`,
        async () => {
          const answer = await exchange(
            `${get(['Transfer-Encoding: chunked'], 'POST /open/x HTTP/1.1')}${chunks}\r\n0\r\n\r\n`,
          )
          assert.ok(answer.status === 400 || answer.status === 413, `${answer.status}`)
          assert.doesNotMatch(arrived, /\r\n0\r\n\r\n$/)
        },
      )
    }
    await t.test('§8: a request that was cut short is not completed', async () => {
      for (const body of [
        'Content-Length: 9\r\n\r\nhalf',
        'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
      ]) {
        const wire = await openWire(t, gateway.bff)
        arrived = ''
        let ended = false
        backend.talk = (bytes, socket) => {
          arrived += bytes.toString('latin1')
          socket.once('close', () => {
            ended = true
          })
        }
        wire.write(`POST /open/x HTTP/1.1\r\nHost: a\r\n${body}`)
        wire.socket.end()
        await until('the end of the connection', () => wire.closed)
        if (arrived !== '') await until('the end of the connection to the backend', () => ended)
        assert.doesNotMatch(arrived, /0\r\n\r\n$/)
      }
    })
    await t.test('§9.6: behind an answer that closes, a connection is not used again', async () => {
      const before = backend.connections
      for (let i = 1; i <= 3; i++) {
        const closing = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'
        assert.equal((await exchange(get(), closing)).status, 200)
      }
      assert.ok(backend.connections - before >= 2)
    })
  })
}
