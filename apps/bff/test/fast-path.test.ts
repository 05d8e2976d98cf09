import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Observation } from '@audience-bridge/chain/observation.ts'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { captureLog } from '@audience-bridge/testkit/log.ts'
import { type RawAnswer, sendRaw, VISITOR_AGENT } from '@audience-bridge/testkit/raw.ts'
import { freezeTime } from '@audience-bridge/testkit/time.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { openSqliteTraces } from '../src/explain/trace-store-sqlite.ts'
import { openWire, slowRequests } from './fast-world.ts'

const CORS_ORIGIN = 'https://spa.example'
const PATH = '/api/v1/analytics/x'
const SWITCH = {
  on: replace('fast_path: false', 'fast_path: true'),
  off: replace('fast_path: true', 'fast_path: false'),
}

async function startWorld(t: TestContext) {
  const time = freezeTime(t)
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
    edits: {
      'BFF/config/settings.yaml': inOrder(
        replace('  trusted_proxies: []', '  trusted_proxies: []\n  fast_path: true'),
        (text) => `${text}\ncors:\n  allow_origins: [${CORS_ORIGIN}]\n`,
      ),
      'BFF/config/routes.yaml': (text) =>
        `${text}\n  - id: open\n    path: /open/*\n    target_service: crud_service\n    upstream_path: /{path}\n    auth: none\n`,
    },
  })
  const visitor = await gateway.signedIn()
  const csrf = await visitor.csrfToken()
  assert.equal((await visitor.fetch(PATH)).status, 200, 'its token is kept from now on')
  const slow = slowRequests(t, gateway.bff)
  t.beforeEach(() => {
    echo.arrivals.length = 0
    echo.respond = undefined
    echo.intercept = undefined
    slow.length = 0
    time.pass(2)
  })
  return { time, echo, gateway, visitor, csrf, slow }
}

interface Case {
  what: string
  method?: string
  path?: string
  head?: [string, string][]
  body?: string
  anonymous?: boolean
  respond?: { status?: number; head?: [string, string][]; body?: string }
}

const CASES: Case[] = [
  { what: 'GET' },
  { what: 'GET with a query', path: `${PATH}?a=b&c=%20d` },
  { what: 'HEAD', method: 'HEAD', respond: { head: [['Content-Length', '7']] } },
  { what: 'POST', method: 'POST', body: '{"a":1}', head: [['Content-Type', 'application/json']] },
  { what: 'PUT without a body', method: 'PUT' },
  { what: 'DELETE', method: 'DELETE' },
  { what: 'an open route', path: '/open/a/b', anonymous: true },
  { what: 'a length', respond: { head: [['Content-Length', '5']], body: 'hello' } },
  { what: 'chunks', respond: { body: 'hello' } },
  { what: 'no content', respond: { status: 204 } },
  { what: 'not modified', respond: { status: 304, head: [['ETag', '"a"']] } },
  { what: 'a redirect', respond: { status: 302, head: [['Location', '/api/v1/analytics/y']] } },
  { what: 'not found', respond: { status: 404, body: 'no' } },
  { what: 'its own 500', respond: { status: 500, body: 'no' } },
  { what: 'a status without a name', respond: { status: 299, body: 'x' } },
  {
    what: 'a refusal of scope',
    respond: {
      status: 403,
      head: [
        ['WWW-Authenticate', 'Bearer error="insufficient_scope", scope="api.write"'],
        ['X-Required-Scope', 'api.write'],
      ],
    },
  },
  {
    what: 'much that is not for the browser',
    respond: {
      head: [
        ['Set-Cookie', 'theirs=1'],
        ['Set-Cookie', 'more=2; Path=/'],
        ['Access-Control-Allow-Origin', '*'],
        ['Connection', 'X-Hop, keep-alive'],
        ['X-Hop', '1'],
        ['Cache-Control', 'max-age=60'],
        ['Date', 'Sun, 06 Nov 1994 08:49:37 GMT'],
        ['Content-Length', '2'],
      ],
      body: 'ok',
    },
  },
  { what: 'an origin that may read', head: [['Origin', CORS_ORIGIN]] },
  {
    what: 'claims of identity',
    head: [
      ['X-User-Id', 'root'],
      ['X_User_Role', 'root'],
      ['Authorization', 'Bearer stolen'],
      ['X-Forwarded-Host', 'evil.example'],
      ['Accept-Language', 'de'],
    ],
  },
]

/** What differs between any two requests, whichever way they take. */
function withoutChance(answer: RawAnswer): unknown {
  const chance = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding'])
  const headers = [...answer.headers].filter(([name]) => !chance.has(name)).sort()
  // The pieces of a body may be cut at other places.
  const chunked = answer.headers.get('transfer-encoding') !== undefined
  const body = chunked ? answer.body.replace(/^[0-9a-f]+\r\n|\r\n[0-9a-f]+\r\n/g, '') : answer.body
  return { status: answer.status, headers, body: body.replace(/\r\n\r\n$/, '') }
}

test('both paths do the same', async (t) => {
  const { echo, gateway, visitor, csrf, slow } = await startWorld(t)
  const traces = openSqliteTraces(join(gateway.dataDirectory, 'bff/traces.sqlite'), captureLog([]))
  t.after(() => traces.close())

  const counted = async (): Promise<Map<string, number>> => {
    const headers = { authorization: `Bearer ${gateway.adminToken}` }
    const text = await (await fetch(`${gateway.bff}/metrics`, { headers })).text()
    const lines = text.split('\n').filter((line) => /^(http|bff)_/.test(line))
    return new Map(
      lines
        .filter(
          (line) =>
            !/_(sum|bucket)|_seconds_|_timestamp_|endpoint="bff"/.test(line) || /_count/.test(line),
        )
        .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
    )
  }

  const observe = async (one: Case, id: string) => {
    const { method = 'GET', path = PATH, head = [], body = '', anonymous = false, respond } = one
    echo.arrivals.length = 0
    gateway.logs.length = 0
    if (respond !== undefined) {
      echo.respond = (_, res) => {
        res.writeHead(respond.status ?? 200, respond.head?.flat())
        res.end(respond.body)
      }
    }
    const before = await counted()
    const answer = await gateway.raw(
      method,
      path,
      [
        ...(anonymous ? [] : ([['Cookie', visitor.cookie]] satisfies [string, string][])),
        ['X-CSRF-Token', csrf],
        ['X-Correlation-ID', id],
        ...head,
      ],
      body,
    )
    const line = await until('the access line', () =>
      gateway.logs.find(({ correlation_id }) => correlation_id === id),
    )
    const [trace] = await until('the trace', async () => {
      const found = await traces.find(id)
      return found.length > 0 ? found : undefined
    })
    const after = await counted()
    const deltas = [...after]
      .map(([name, count]) => [name, count - (before.get(name) ?? 0)] as const)
      .filter(([name, delta]) => delta !== 0 && !name.includes('"bff"'))
    assert.ok(deltas.length >= 2, 'it was counted')
    const [arrival] = echo.arrivals
    return {
      answer: withoutChance(answer),
      arrival: arrival && {
        ...arrival,
        rawHeaders: rawPairs(arrival.rawHeaders),
        headers: undefined,
      },
      line: withoutTimes(line),
      trace: withoutTimes(trace as Observation & Record<string, unknown>),
      deltas,
    }
  }

  for (const one of CASES) {
    await t.test(`with ${one.what}: answer, arrival, log, trace and metrics`, async () => {
      const id = `case-${CASES.indexOf(one)}-of-cases`
      const fast = await observe(one, id)
      assert.deepEqual(
        slow.filter((line) => !line.includes('/metrics')),
        [],
        'it was fast',
      )
      gateway.reconfigure({ 'BFF/config/settings.yaml': SWITCH.off })
      const other = await observe(one, `${id}`.replace('of', 'by'))
      gateway.reconfigure({ 'BFF/config/settings.yaml': SWITCH.on })
      echo.respond = undefined
      // Under another configuration, the binding of a session is looked at again.
      await visitor.fetch(PATH)
      assert.equal(slow.filter((line) => !line.includes('/metrics')).length, 2, 'it was not')
      assert.deepEqual(
        JSON.parse(JSON.stringify(fast).replaceAll('-of-', '-by-')),
        JSON.parse(JSON.stringify(other)),
      )
    })
  }
})

/** Names and values, in any order: `Host` and `Connection` are for one hop. */
const rawPairs = (raw: string[]): string[] =>
  raw
    .flatMap((name, i) => (i % 2 === 0 ? [`${name.toLowerCase()}: ${raw[i + 1]}`] : []))
    .filter((pair) => !pair.startsWith('connection:'))
    .sort()

/** The version of the configuration differs by the switch. */
const withoutTimes = ({
  elapsed_ms,
  time: _time,
  at: _at,
  config_version: _version,
  ...rest
}: Record<string, unknown>): unknown => ({ ...rest, timed: typeof elapsed_ms })

test('the HTTP server gets, bytes and all,', async (t) => {
  const { gateway, visitor, csrf, slow, echo } = await startWorld(t)
  const ask = (lines: string[], body = '', first = `POST ${PATH} HTTP/1.1`) =>
    sendRaw(
      gateway.bff,
      `${[first, `Host: ${new URL(gateway.bff).host}`, 'Connection: close', ...lines].join('\r\n')}\r\n\r\n${body}`,
    )
  const agent = `User-Agent: ${VISITOR_AGENT}`
  const signed = () => [agent, `Cookie: ${visitor.cookie}`, `X-CSRF-Token: ${csrf}`]

  const declined: [what: string, ask: () => Promise<RawAnswer>, status: number][] = [
    ['who has no session', () => ask([], '', `GET ${PATH} HTTP/1.1`), 401],
    ['who has no token against forgery', () => ask([agent, `Cookie: ${visitor.cookie}`]), 403],
    [
      'who sends a body in chunks',
      () => ask([...signed(), 'Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'),
      200,
    ],
    [
      'who expects to be told to go on',
      () => ask([...signed(), 'Content-Length: 5', 'Expect: 100-continue'], 'hello'),
      100,
    ],
    [
      'who comes from a foreign page',
      () => ask([...signed(), 'Origin: https://evil.example'], '', `GET ${PATH} HTTP/1.1`),
      403,
    ],
    ['who asks for OPTIONS', () => ask(signed(), '', `OPTIONS ${PATH} HTTP/1.1`), 200],
    ['who speaks HTTP/1.0', () => ask(signed(), '', `GET ${PATH} HTTP/1.0`), 200],
    [
      'who asks for a path with two readings',
      () => ask(signed(), '', 'GET /api/v1/analytics/..%2fx HTTP/1.1'),
      400,
    ],
    ['who asks for what is nowhere', () => ask(signed(), '', 'GET /api/nowhere HTTP/1.1'), 404],
    ['who asks the BFF itself', () => ask(signed(), '', 'GET /health HTTP/1.1'), 200],
    [
      'who brings a bearer token',
      () => ask(['Authorization: Bearer x'], '', 'GET /api/m2m/x HTTP/1.1'),
      404,
    ],
  ]
  for (const [what, send, status] of declined) {
    await t.test(what, async () => {
      assert.equal((await send()).status, status)
      assert.equal(slow.length, 1)
    })
  }

  await t.test('what is no HTTP, and refuses it', async () => {
    const both = ['Content-Length: 5', 'Transfer-Encoding: chunked']
    assert.equal((await ask([...signed(), ...both], '0\r\n\r\n')).status, 400)
    assert.equal((await sendRaw(gateway.bff, 'GET / HTTP/1.1\nHost: a\n\n')).status, 400)
    assert.equal((await sendRaw(gateway.bff, '\x16\x03\x01\x02\x00\x01')).status, 400)
    assert.equal(echo.arrivals.length, 0)
  })

  await t.test('the rest of a connection that began with simple requests', async (t) => {
    const wire = await openWire(t, gateway.bff)
    const head = (first: string, lines: string[] = []) =>
      `${[first, `Host: ${new URL(gateway.bff).host}`, ...signed(), ...lines].join('\r\n')}\r\n\r\n`
    for (let i = 0; i < 3; i++) {
      wire.write(head(`GET ${PATH}?fast=${i} HTTP/1.1`))
      await wire.expect(new RegExp(`HTTP/1.1 200 OK[\\s\\S]*"url":"${PATH}\\?fast=${i}"`))
    }
    assert.deepEqual(slow, [])
    wire.write(head(`POST ${PATH}?chunks HTTP/1.1`, ['Transfer-Encoding: chunked']))
    for (const piece of ['5\r', '\nhel', 'lo\r\n', '0\r\n\r', '\n']) {
      wire.write(piece)
      await new Promise(setImmediate)
    }
    await wire.expect(/HTTP\/1.1 200 OK[\s\S]*"body":"hello"/)
    wire.write(head(`GET ${PATH}?again HTTP/1.1`))
    await wire.expect(/HTTP\/1.1 200 OK[\s\S]*again/)
    assert.deepEqual(slow, [`POST ${PATH}?chunks`, `GET ${PATH}?again`])
    assert.equal(wire.closed, false)
    wire.write('nonsense\r\n\r\n')
    await until('the end of the connection', () => wire.closed)
  })

  await t.test('requests sent ahead, each answered in its turn, cut at any byte', async (t) => {
    const host = `Host: ${new URL(gateway.bff).host}`
    const get = (n: number) =>
      `GET ${PATH}?n=${n} HTTP/1.1\r\n${host}\r\n${signed().join('\r\n')}\r\n\r\n`
    const post = (n: number, framing: string, body: string) =>
      `POST ${PATH}?n=${n} HTTP/1.1\r\n${host}\r\n${signed().join('\r\n')}\r\n${framing}\r\n\r\n${body}`
    const all = [
      get(0),
      post(1, 'Content-Length: 5', 'hello'),
      get(2),
      post(3, 'Transfer-Encoding: chunked', '5\r\nworld\r\n0\r\n\r\n'),
      post(4, 'Content-Length: 3', 'end'),
      get(5),
    ].join('')
    const step = Math.max(1, Math.floor(all.length / 40))
    for (let cut = 1; cut < all.length; cut += step) {
      echo.arrivals.length = 0
      const wire = await openWire(t, gateway.bff)
      wire.write(all.slice(0, cut))
      await new Promise(setImmediate)
      wire.write(all.slice(cut))
      for (let n = 0; n < 6; n++) {
        await wire.expect(
          new RegExp(`^[\\s\\S]*?HTTP/1.1 200 OK[\\s\\S]*?"url":"${PATH}\\?n=${n}"[\\s\\S]*?\\}`),
        )
      }
      assert.deepEqual(
        echo.arrivals.map(({ method, url, body }) => `${url.at(-1)} ${method} ${body}`),
        ['0 GET ', '1 POST hello', '2 GET ', '3 POST world', '4 POST end', '5 GET '],
      )
      wire.socket.destroy()
    }
  })
})
