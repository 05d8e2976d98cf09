import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rawNames, rawValues, startEcho } from '@audience-bridge/testkit/echo.ts'
import { type GatewayOptions, startGateway } from '@audience-bridge/testkit/gateway.ts'
import { forwardedValue, returnTrailers, wasHere } from '../src/proxy/hops.ts'

const OPEN = '\n  - { id: open, path: /open/*, target_service: analytics_service, auth: none }\n'
const withServer =
  (...lines: string[]) =>
  (text: string) =>
    text.replace('server:\n', `server:\n${lines.map((line) => `  ${line}\n`).join('')}`)

for (const way of ['fast path', 'HTTP server'] as const) {
  test(`what is said of the hops, by the ${way}`, async (t) => {
    const echo = await startEcho(t)
    const start = (lines: string[] = [], more: GatewayOptions = {}) =>
      startGateway(t, {
        upstreams: { analytics_service: echo.origin },
        edits: {
          'BFF/config/settings.yaml': withServer(`fast_path: ${way === 'fast path'}`, ...lines),
          'BFF/config/routes.yaml': (text) => text + OPEN,
        },
        ...more,
      })
    const gateway = await start()
    const last = () => {
      const arrival = echo.arrivals.at(-1)
      assert.ok(arrival)
      return arrival
    }

    await t.test('Via tells of us in both directions, behind those before', async () => {
      echo.respond = (_, res) => res.writeHead(200, { via: '1.0 inner' }).end('ok')
      const answer = await gateway.raw('GET', '/open/x', [['Via', '2 cdn, 1.1 edge']])
      assert.deepEqual(rawValues(last(), 'via').join(', '), '2 cdn, 1.1 edge, 1.1 audience-bridge')
      assert.deepEqual(answer.headers.get('via'), ['1.0 inner', '1.1 audience-bridge'])
      echo.respond = undefined
    })

    // The attack: a base_url that leads back here turns one request into as many as time allows.
    await t.test('what comes back to us is refused', async () => {
      const before = echo.arrivals.length
      for (const via of ['1.1 audience-bridge', '1.1 a, 2.0  audience-bridge (x), 1.1 b']) {
        const answer = await gateway.raw('GET', '/open/x', [['Via', via]])
        assert.equal(answer.status, 400)
        assert.equal(JSON.parse(answer.body).code, 'BAD_REQUEST')
      }
      const twice = [
        ['Via', '1.1 a'],
        ['Via', '1.1 audience-bridge'],
      ] as const
      assert.equal((await gateway.raw('GET', '/open/x', twice)).status, 400)
      assert.equal(echo.arrivals.length, before)
      for (const via of [
        '1.1 my-audience-bridge',
        '1.1 audience-bridge:8080',
        'audience-bridge 1.1',
      ]) {
        assert.equal((await gateway.raw('GET', '/open/x', [['Via', via]])).status, 200, via)
      }
    })

    await t.test(
      'a service that leads to the gateway itself answers once, and not for ever',
      async (t) => {
        const loop = await startGateway(t, {
          edits: {
            'BFF/config/settings.yaml': withServer(`fast_path: ${way === 'fast path'}`),
            'BFF/config/routes.yaml': (text) =>
              text.replace(
                /(analytics_service:\n {4}base_url: ).*/,
                (_, key) => `${key}http://localhost:\${BFF_PORT}`,
              ) + OPEN,
          },
        })
        const answer = await loop.raw('GET', '/open/x')
        assert.equal(answer.status, 400)
        assert.match(answer.body, /has passed this gateway already/)
        assert.deepEqual(answer.headers.get('via'), ['1.1 audience-bridge'])
      },
    )

    await t.test('Forwarded is nobody’s word but ours, and only where it is wanted', async () => {
      const sent = [
        ['Forwarded', 'for=6.6.6.6;host=evil.example'],
        ['X-Forwarded-For', '6.6.6.6'],
      ] as const
      await gateway.raw('GET', '/open/x', sent)
      assert.deepEqual(rawValues(last(), 'forwarded'), [])
      const open = await start(['forwarded: true'])
      await open.raw('GET', '/open/x', sent)
      const { host } = new URL(open.bff)
      assert.deepEqual(rawValues(last(), 'forwarded'), [`for=127.0.0.1;proto=http;host="${host}"`])
      const trusting = await start(['forwarded: true'], {
        edits: {
          'BFF/config/settings.yaml': (text) =>
            withServer(
              `fast_path: ${way === 'fast path'}`,
              'forwarded: true',
            )(text).replace('trusted_proxies: []', 'trusted_proxies: [127.0.0.1]'),
          'BFF/config/routes.yaml': (text) => text + OPEN,
        },
      })
      const proxied = [
        // A proxy that writes X-Forwarded-* lets this one of the client's pass.
        ['Forwarded', 'for=6.6.6.6'],
        ['X-Forwarded-For', '2001:db8::1, 10.0.0.9'],
        ['X-Forwarded-Proto', 'https'],
      ] as const
      await trusting.raw('GET', '/open/x', proxied)
      assert.deepEqual(rawValues(last(), 'forwarded'), [
        `for="[2001:db8::1]";proto=https;host="${new URL(trusting.bff).host}", for=10.0.0.9, for=127.0.0.1`,
      ])
    })

    await t.test('Via can be another name, or none', async () => {
      const named = await start(['via: bridge-eu'])
      const answer = await named.raw('GET', '/open/x', [['Via', '1.1 audience-bridge']])
      assert.equal(answer.status, 200)
      assert.equal(rawValues(last(), 'via').join(', '), '1.1 audience-bridge, 1.1 bridge-eu')
      const silent = await start(['via: false'])
      assert.equal((await silent.raw('GET', '/open/x')).headers.get('via'), undefined)
      assert.deepEqual(rawValues(last(), 'via'), [])
    })

    await t.test('Max-Forwards counts OPTIONS down, and ends it', async () => {
      for (const [sent, got] of [
        ['3', '2'],
        ['1', '0'],
        ['x', undefined],
        ['-1', undefined],
      ] as const) {
        assert.equal(
          (await gateway.raw('OPTIONS', '/open/x', [['Max-Forwards', sent]])).status,
          200,
        )
        assert.deepEqual(rawValues(last(), 'max-forwards'), got === undefined ? [] : [got])
      }
      const before = echo.arrivals.length
      const answer = await gateway.raw('OPTIONS', '/open/x', [['Max-Forwards', '0']])
      assert.equal(answer.status, 204)
      assert.match(answer.headers.get('allow')?.[0] ?? '', /GET/)
      assert.equal(echo.arrivals.length, before)
      assert.equal((await gateway.raw('GET', '/open/x', [['Max-Forwards', '0']])).status, 200)
      assert.deepEqual(rawValues(last(), 'max-forwards'), [])
    })

    // The attack: TRACE shows a script what the browser hides from it; CONNECT leads anywhere.
    await t.test('TRACE and CONNECT lead nowhere', async () => {
      const before = echo.arrivals.length
      assert.equal((await gateway.raw('TRACE', '/open/x')).status, 405)
      await gateway.raw('CONNECT', `127.0.0.1:${echo.port}`).then(
        ({ status }) => assert.ok(status >= 400),
        (cause: Error) => assert.match(cause.message, /ended without an answer|ECONNRESET/),
      )
      assert.equal(echo.arrivals.length, before)
    })

    await t.test('what Connection names ends here, in both directions', async () => {
      echo.respond = (_, res) =>
        res.writeHead(200, { connection: 'X-Inner', 'x-inner': '1', 'x-kept': '1' }).end()
      const answer = await gateway.raw('GET', '/open/x', [
        ['Connection', 'close, X-Outer'],
        ['X-Outer', '1'],
        ['X-Kept', '1'],
      ])
      assert.ok(!rawNames(last()).includes('x-outer'))
      assert.ok(rawNames(last()).includes('x-kept'))
      assert.equal(answer.headers.get('x-inner'), undefined)
      assert.deepEqual(answer.headers.get('x-kept'), ['1'])
      echo.respond = undefined
    })

    await t.test('Date is the backend’s, or ours where it says none', async () => {
      echo.respond = (_, res) => {
        res.sendDate = false
        res.writeHead(200, { date: 'Sun, 06 Nov 1994 08:49:37 GMT' }).end()
      }
      const kept = await gateway.raw('GET', '/open/x')
      assert.deepEqual(kept.headers.get('date'), ['Sun, 06 Nov 1994 08:49:37 GMT'])
      echo.respond = (_, res) => {
        res.sendDate = false
        res.end()
      }
      const [made = ''] = (await gateway.raw('GET', '/open/x')).headers.get('date') ?? []
      assert.ok(Math.abs(Date.parse(made) - Date.now()) < 5000, made)
      echo.respond = undefined
    })

    await t.test('ranges and codings pass as they are', async () => {
      const zipped = Buffer.from([0x1f, 0x8b, 8, 0, 255, 128, 0, 1])
      echo.respond = (_, res) => {
        const head = { 'content-encoding': 'gzip', 'content-range': 'bytes 2-9/100', etag: '"a"' }
        res.writeHead(206, { ...head, vary: 'Accept-Encoding' }).end(zipped)
      }
      const asked = [
        ['Range', 'bytes=2-9'],
        ['If-Range', '"a"'],
        ['Accept-Encoding', 'gzip;q=0.5, br'],
      ] as const
      const answer = await gateway.raw('GET', '/open/x', asked)
      for (const [name, value] of asked)
        assert.deepEqual(rawValues(last(), name.toLowerCase()), [value])
      assert.equal(answer.status, 206)
      assert.deepEqual(answer.headers.get('content-encoding'), ['gzip'])
      assert.deepEqual(answer.headers.get('content-range'), ['bytes 2-9/100'])
      echo.respond = (_, res) => res.writeHead(416, { 'content-range': 'bytes */100' }).end()
      const beyond = await gateway.raw('GET', '/open/x', [['Range', 'bytes=500-']])
      assert.equal(beyond.status, 416)
      assert.deepEqual(beyond.headers.get('content-range'), ['bytes */100'])
      echo.respond = undefined
    })
  })
}

test('what hops say, read and written', () => {
  assert.ok(wasHere('1.1 a, 1.1 b', 'b'))
  assert.ok(!wasHere('1.1 a, 1.1 b', false))
  assert.ok(!wasHere(undefined, 'b'))
  assert.equal(
    forwardedValue('a"b;c, ::1', 'https', 'x.example'),
    'for="ab;c";proto=https;host=x.example, for="[::1]"',
  )
  assert.deepEqual(
    returnTrailers({
      ...{ 'grpc-status': '0', 'Server-Timing': ['a', 'b'], 'content-length': '5' },
      ...{ 'set-cookie': 'a', 'transfer-encoding': 'chunked', 'cache-control': 'public' },
      ...{ 'access-control-allow-origin': '*', 'x-bad': 'a\u2028b', 'a b': 'c', ':status': '200' },
      ...{ 'clear-site-data': '"*"', location: '/', 'content-type': 'text/html', vary: '*' },
    }),
    { 'grpc-status': ['0'], 'Server-Timing': ['a', 'b'] },
  )
})
