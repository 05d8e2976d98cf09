import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { readSecret } from '@audience-bridge/kit/secret.ts'
import { replace } from '@audience-bridge/testkit/config-copy.ts'
import {
  type Arrival,
  decodePart,
  type Echo,
  rawNames,
  startEcho,
} from '@audience-bridge/testkit/echo.ts'
import { edgeSettings } from '@audience-bridge/testkit/edge.ts'
import {
  type Gateway,
  type GatewayOptions,
  startGateway,
} from '@audience-bridge/testkit/gateway.ts'
import { freePort } from '@audience-bridge/testkit/ports.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import type { EdgeOptions, EdgeProxy } from '@audience-bridge/testkit/proxies.ts'
import { sendRaw } from '@audience-bridge/testkit/raw.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { startWebSocketEcho } from '@audience-bridge/testkit/websocket.ts'
import { openWebSocket } from '@audience-bridge/testkit/websocket-client.ts'

export const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'
export const CRUD = 'https://crud.ocg.labs.empowernow.ai'
export const PATH = '/api/v1/analytics/workflows'
export const CACHE_SECONDS = 1

export interface EdgeWorld {
  gateway: Gateway
  /** The browser's origin: the proxy. */
  origin: string
  analytics: Echo
  crud: Echo
  proxy: EdgeProxy
  /** Where the BFF itself listens. */
  bff: string
  secret: string
  /** Questions that the BFF was asked by the proxy, by its log. */
  questions(): Record<string, unknown>[]
}

export type StartProxy = (t: TestContext, options: EdgeOptions) => Promise<EdgeProxy>

/** A browser's way through a real proxy to a real BFF and two backends. */
export async function startEdgeWorld(
  t: TestContext,
  start: StartProxy,
  edits: EdgeOptions['edits'] = {},
  gatewayOptions: Pick<GatewayOptions, 'edits' | 'upstreams'> = {},
): Promise<EdgeWorld> {
  const analytics = await startEcho(t)
  const crud = await startEcho(t)
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const gateway = await startGateway(t, {
    edits: { ...edgeSettings([`cache_seconds: ${CACHE_SECONDS}`]), ...gatewayOptions.edits },
    env: { BFF_PUBLIC_URL: origin },
    upstreams: {
      ...{ analytics_service: analytics.origin, crud_service: crud.origin },
      ...gatewayOptions.upstreams,
    },
  })
  const bff = `127.0.0.1:${gateway.config().bridge.settings.server.port}`
  const secret = readSecret(`file:${join(gateway.dataDirectory, 'secrets/edge.secret')}`)
  const proxy = await start(t, {
    port,
    secret,
    edits,
    addresses: {
      '127.0.0.1:8080': bff,
      '127.0.0.1:8100': `127.0.0.1:${analytics.port}`,
      '127.0.0.1:8000': `127.0.0.1:${crud.port}`,
      ':8088': `:${port}`,
    },
  })
  return {
    ...{ gateway, origin, analytics, crud, proxy, secret },
    bff: `http://${bff}`,
    questions: () => gateway.logs.filter((line) => line.edge === true),
  }
}

const last = ({ arrivals }: Echo): Arrival => {
  const arrival = arrivals.at(-1)
  assert.ok(arrival, 'something arrived')
  return arrival
}

/** Names by which a client might say who it is; none may reach a backend. */
const CLAIMS = [
  ...['X-User-ID', 'X-User-Email', 'X-User-Assertion', 'X-Remote-User', 'Remote-User', 'X-Roles'],
  ...['X-Auth-Time', 'X-Session-ID', 'X-Original-User', 'X-Forwarded-User', 'X-Real-IP', 'DPoP'],
  ...[
    'X-Access-Token',
    'X-Client-Cert',
    'SSL-Client-Verify',
    'Forwarded',
    'X-HTTP-Method-Override',
  ],
  ...['X_User_Id', 'Remote_User', 'X-Edge-Secret', 'X-Edge-Service', 'X-Original-URI'],
  ...['X-Forwarded-Uri', 'X-Forwarded-Method', 'X-CSRF-Token', 'Proxy-Authorization'],
]

/** What every shipped proxy configuration must do; the first that fails names it. */
export async function edgeContract(t: TestContext, start: StartProxy): Promise<void> {
  const world = await startEdgeWorld(t, start)
  const { gateway, origin, analytics, crud, secret } = world
  const member = await gateway.signedIn()
  const port = new URL(origin).port

  await t.test('each backend gets a token of its own, and no cookie', async () => {
    const first = await member.fetch(`${PATH}?a=b%20c`)
    assert.equal(first.status, 200, await first.clone().text())
    assert.equal(last(analytics).claims?.aud, ANALYTICS)
    assert.equal(last(analytics).url, `${PATH}?a=b%20c`)
    const second = await member.fetch('/api/crud/projects?limit=3')
    assert.equal(second.status, 200, await second.clone().text())
    assert.equal(last(crud).claims?.aud, CRUD)
    assert.equal(last(crud).url, '/api/projects?limit=3')
    for (const arrival of [last(analytics), last(crud)]) {
      assert.equal(arrival.headers.cookie, undefined)
      assert.equal(arrival.headers['x-edge-secret'], undefined)
      assert.match(String(arrival.headers['x-correlation-id']), /^[\w-]{8,}$/)
    }
    assert.ok(world.questions().length >= 2, 'the proxy asked')
    const carried = gateway.logs.filter((line) => line.path === PATH && line.edge !== true)
    assert.deepEqual(carried, [], 'the BFF carried nothing of it')
  })

  await t.test('a sign-in is needed, and said to be in a problem document', async () => {
    const before = analytics.arrivals.length
    const response = await gateway.visitor().fetch(PATH, { headers: { accept: 'text/html' } })
    const problem = await assertProblem(response, 'SESSION_REQUIRED')
    assert.equal(typeof problem.detail, 'string')
    assert.equal(analytics.arrivals.length, before)
  })

  await t.test('a request that changes something proves its origin each time', async () => {
    const post = (headers: Record<string, string>) =>
      member.fetch('/api/crud/projects', { method: 'POST', body: '{"name":"x"}', headers })
    const before = crud.arrivals.length
    await assertProblem(await post({}), 'CSRF_REJECTED')
    await assertProblem(await post({ 'x-csrf-token': 'x'.repeat(64) }), 'CSRF_REJECTED')
    const token = { 'x-csrf-token': await member.csrfToken() }
    await assertProblem(
      await post({ ...token, origin: 'https://evil.example' }),
      'ORIGIN_FORBIDDEN',
    )
    assert.equal(crud.arrivals.length, before)
    const good = { ...token, origin, 'content-type': 'application/json' }
    assert.equal((await post(good)).status, 200)
    assert.equal(last(crud).body, '{"name":"x"}')
    assert.equal(last(crud).headers['content-type'], 'application/json')
    assert.equal(last(crud).claims?.aud, CRUD)
    await assertProblem(await post({}), 'CSRF_REJECTED')
  })

  await t.test('a client cannot name another request than it sends', async () => {
    const forged = '/api/crud/projects'
    for (const headers of [
      { 'x-forwarded-uri': forged, 'x-forwarded-method': 'GET' },
      { 'x-original-uri': forged, 'x-original-method': 'GET' },
      { 'x-original-url': forged },
      { 'x-edge-service': 'crud_service' },
      { 'x-edge-secret': `${'x'.repeat(43)} GET ${forged}` },
      // Even with the secret: the proxy writes the header anew.
      { 'x-edge-secret': `${secret} GET ${forged}` },
    ]) {
      const response = await member.fetch(PATH, { headers: headers as Record<string, string> })
      assert.equal(response.status, 200, JSON.stringify(headers))
      assert.equal(last(analytics).claims?.aud, ANALYTICS, JSON.stringify(headers))
      // A safe method for one that is not: the CSRF rule would be passed by.
      const unsafe = await member.fetch('/api/crud/projects', {
        method: 'POST',
        headers: headers as Record<string, string>,
      })
      await assertProblem(unsafe, 'CSRF_REJECTED')
    }
    assert.ok(crud.arrivals.every(({ claims }) => claims?.aud === CRUD))
  })

  await t.test('a client cannot bring a token or a name of its own', async () => {
    const bearer = { authorization: 'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.' }
    const before = analytics.arrivals.length
    await assertProblem(
      await gateway.visitor().fetch(PATH, { headers: bearer }),
      'SESSION_REQUIRED',
    )
    assert.equal(analytics.arrivals.length, before)
    const claims = Object.fromEntries(CLAIMS.map((name) => [name, 'mallory']))
    const answer = await member.fetch(PATH, { headers: { ...bearer, ...claims } })
    assert.equal(answer.status, 200)
    const arrival = last(analytics)
    assert.equal(arrival.claims?.aud, ANALYTICS)
    assert.equal(arrival.rawHeaders.includes('mallory'), false, rawNames(arrival).join(' '))
  })

  await t.test('the address of a path has one reading, or nobody serves it', async () => {
    // An answer that is kept for what nginx reads must not serve what the BFF would have refused.
    assert.equal((await member.fetch('/api/crud/projects')).status, 200)
    const counts = () => [analytics.arrivals.length, crud.arrivals.length]
    const before = counts()
    for (const target of [
      '/api/v1/analytics/%2e%2e/%2e%2e/crud/projects',
      '/api/v1/analytics/..%2f..%2fcrud/projects',
      '/api/crud/%252e%252e/x',
      '/api/crud/projects;x=1',
      '/api//crud/projects',
      '/api/crud/projects%00',
      '/api/crud/./projects',
      '/api/crud/..%5c..%5cx',
      '/api/crud/projects#/../../admin',
    ]) {
      // The attack: what a client writes elsewhere must not look like a plain path to the proxy.
      for (const upgrade of [undefined, '::/a?', ':::/a?x']) {
        const answer = await gateway.raw('GET', target, [
          ['Cookie', member.cookie],
          ...(upgrade === undefined ? [] : [['Upgrade', upgrade] as const]),
        ])
        const what = `${target} ${upgrade}: ${answer.status}`
        assert.ok(answer.status >= 400 && answer.status < 500, what)
        assert.match(answer.body, /PATH_AMBIGUOUS|ROUTE_NOT_FOUND|<h1>400/, what)
      }
    }
    assert.deepEqual(counts(), before)
  })

  await t.test(
    'a method that the route does not list is refused with those that it does',
    async () => {
      gateway.reconfigure({
        'BFF/config/routes.yaml': replace('PUT, PATCH, DELETE]', 'PUT, PATCH]'),
      })
      const response = await member.fetch('/api/crud/projects', { method: 'DELETE' })
      assert.match(response.headers.get('allow') ?? '', /GET, POST/)
      await assertProblem(response, 'METHOD_NOT_ALLOWED')
      await assertProblem(await member.fetch('/api/nowhere'), 'ROUTE_NOT_FOUND')
    },
  )

  await t.test(
    'what comes back has nothing by which a backend could harm the origin',
    async (t) => {
      const name = gateway.config().frontends.first.cookies.sessionName
      analytics.respond = (_arrival, res) => {
        res.writeHead(200, {
          'content-type': 'text/html',
          'set-cookie': [`${name}=stolen; Path=/; Secure`, 'other=1'],
          'access-control-allow-origin': 'https://evil.example',
          'access-control-allow-credentials': 'true',
          'clear-site-data': '"cookies"',
          'service-worker-allowed': '/',
          'x-required-scope': 'api.read',
          'x-accel-redirect': '/_edge/verify',
          'x-accel-expires': '60',
          'cache-control': 'max-age=60',
        })
        res.end('<script>alert(1)</script>')
      }
      t.after(() => {
        analytics.respond = undefined
      })
      const response = await member.fetch('/api/v1/analytics/page')
      assert.equal(response.status, 200)
      assert.match(await response.text(), /<script>/)
      for (const field of [
        ...['set-cookie', 'access-control-allow-origin', 'access-control-allow-credentials'],
        ...['clear-site-data', 'service-worker-allowed', 'x-required-scope', 'authorization'],
      ]) {
        assert.equal(response.headers.get(field), null, field)
      }
      assert.equal(response.headers.get('content-security-policy'), 'sandbox')
      assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
      assert.match(response.headers.get('cache-control') ?? '', /private/)
    },
  )

  await t.test("a backend's own refusal passes as it is", async (t) => {
    analytics.respond = (_arrival, res) => {
      res.writeHead(403, { 'content-type': 'application/json' })
      res.end('{"mine":true}')
    }
    t.after(() => {
      analytics.respond = undefined
    })
    const response = await member.fetch('/api/v1/analytics/refused')
    assert.equal(response.status, 403)
    assert.deepEqual(await response.json(), { mine: true })
  })

  await t.test('connections to the backend are kept', async (t) => {
    const sockets = new Set<Socket>()
    crud.intercept = (req) => {
      sockets.add(req.socket)
      return false
    }
    t.after(() => {
      crud.intercept = undefined
    })
    for (let i = 0; i < 10; i++) await member.fetch(`/api/crud/projects/${i}`)
    assert.ok(sockets.size <= 2, `${sockets.size} connections for 10 calls`)
  })

  await t.test('no word of a path is filled in by the proxy', async () => {
    const places = ['env.EDGE_SECRET', 'http.request.header.X-Place', 'http.vars.edge_service']
    for (const target of places.flatMap((place) => [
      `/api/crud/{${place}}`,
      `/api/crud/%7B${place}%7d`,
      `/api/crud/x?a={${place}}`,
      `/api/v1/analytics/{${place}}`,
    ])) {
      const counts = [analytics.arrivals.length, crud.arrivals.length]
      const head = [
        ['Cookie', member.cookie],
        ['X-Place', '../../admin'],
      ] as const
      const { status } = await gateway.raw('GET', target, head)
      const asWritten = decodeURIComponent(target.slice(target.lastIndexOf('/')))
      for (const { url } of [
        ...analytics.arrivals.slice(counts[0]),
        ...crud.arrivals.slice(counts[1]),
      ]) {
        // The message names no address: it might hold what was filled in.
        assert.ok(decodeURIComponent(url).endsWith(asWritten), `${target}: ${status}`)
      }
    }
  })

  await t.test('an Upgrade of any kind leaves a request to the BFF, whoever sends it', async () => {
    for (const upgrade of ['::/a?', ':::/a?x', '0', 'h2c']) {
      for (const from of [origin, 'https://evil.example']) {
        assert.equal((await member.fetch(PATH)).status, 200)
        const asked = world.questions().length
        const id = `upgrade-${asked}-${gateway.logs.length}`
        await gateway.raw('GET', PATH, [
          ['Cookie', member.cookie],
          ['Upgrade', upgrade],
          ['Origin', from],
          ['X-Correlation-ID', id],
        ])
        const line = await until('the line of the BFF', () =>
          gateway.logs.find(({ correlation_id, path }) => correlation_id === id && path === PATH),
        )
        assert.notEqual(line.edge, true, `${upgrade} ${from}`)
      }
    }
  })

  await t.test('a WebSocket of another site gets nowhere', async () => {
    const before = analytics.arrivals.length
    const answer = await sendRaw(
      `http://127.0.0.1:${port}`,
      [
        `GET ${PATH} HTTP/1.1`,
        `Host: localhost:${port}`,
        `Cookie: ${member.cookie}`,
        'Connection: Upgrade, close',
        'Upgrade: websocket',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Version: 13',
        'Origin: https://evil.example',
        '',
        '',
      ].join('\r\n'),
    ).catch(() => undefined)
    assert.notEqual(answer?.status, 101)
    assert.ok(
      analytics.arrivals.slice(before).every(({ headers }) => headers.upgrade === undefined),
    )
  })

  await t.test(
    'a page of an allowed other origin is answered with what its browser needs',
    async () => {
      gateway.reconfigure({
        'BFF/config/settings.yaml': (text) =>
          text.replace('admin:\n', 'cors:\n  allow_origins: ["https://spa.example"]\n\nadmin:\n'),
      })
      const headers = { origin: 'https://spa.example' }
      const preflight = await member.fetch(PATH, {
        method: 'OPTIONS',
        headers: { ...headers, 'access-control-request-method': 'GET' },
      })
      assert.equal(preflight.status, 204)
      const response = await member.fetch(PATH, { headers })
      assert.equal(response.status, 200)
      assert.equal(response.headers.get('access-control-allow-origin'), 'https://spa.example')
      const refused = await gateway.visitor().fetch(PATH, { headers })
      assert.equal(refused.headers.get('access-control-allow-origin'), 'https://spa.example')
      await assertProblem(refused, 'SESSION_REQUIRED')
    },
  )

  await t.test(
    'a sign-out is in force everywhere within the seconds that answers are kept',
    async () => {
      const leaving = await gateway.signedIn(USERS.admin)
      assert.equal((await leaving.fetch(PATH)).status, 200)
      const { cookie } = leaving
      const left = await leaving.signOut()
      assert.equal(left.status, 200)
      const signedOutAt = performance.now()
      await until('the end of the session at the proxy', async () => {
        const { status } = await fetch(`${origin}${PATH}`, { headers: { cookie } })
        return status === 401
      })
      // nginx counts whole seconds: an answer of its last moment is kept for one more.
      const tookMs = performance.now() - signedOutAt
      assert.ok(tookMs < (CACHE_SECONDS + 1) * 1000 + 500, `${Math.round(tookMs)} ms`)
    },
  )

  await t.test('an upload passes, and its answer comes back whole', async () => {
    const body = 'x'.repeat(3_000_000)
    const headers = { 'x-csrf-token': await member.csrfToken() }
    const response = await member.fetch('/api/crud/upload', { method: 'PUT', body, headers })
    assert.equal(response.status, 200)
    assert.equal(last(crud).body.length, body.length)
    assert.equal(((await response.json()) as { body: string }).body.length, body.length)
  })

  assert.doesNotMatch(world.proxy.said(), new RegExp(secret), 'the proxy logs no secret')
}

/** A WebSocket passes the proxy to the BFF, which brings the token and ends it with the session. */
export async function edgeSockets(t: TestContext, start: StartProxy): Promise<void> {
  const echo = await startWebSocketEcho(t)
  const { gateway, origin, analytics } = await startEdgeWorld(
    t,
    start,
    {},
    {
      upstreams: { analytics_service: echo.origin },
      edits: {
        'BFF/config/routes.yaml': replace(
          'upstream_path: /api/v1/analytics/{path}\n',
          'upstream_path: /api/v1/analytics/{path}\n    websocket: true\n',
        ),
      },
    },
  )
  const member = await gateway.signedIn()
  const at = `${origin}/api/v1/analytics/live`
  const opened = await openWebSocket(at, { cookie: member.cookie, origin })
  opened.send('hello')
  await until('the echo', () => opened.messages.includes('hello'))
  const head = echo.peers.at(-1)?.head.headers
  const token = head?.authorization?.replace('Bearer ', '') ?? ''
  assert.equal(decodePart(token, 1).aud, ANALYTICS)
  assert.equal(head?.cookie, undefined)
  const foreign = { cookie: member.cookie, origin: 'https://evil.example' }
  await assert.rejects(openWebSocket(at, foreign), /refused/)
  await member.signOut()
  await opened.closed
  assert.equal(analytics.arrivals.length, 0, 'the proxy itself carried none of it')
}
