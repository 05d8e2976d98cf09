import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { readSecret } from '@audience-bridge/kit/secret.ts'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { decodePart, startEcho } from '@audience-bridge/testkit/echo.ts'
import { edgeSettings } from '@audience-bridge/testkit/edge.ts'
import { type Gateway, startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'

const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'
const CRUD = 'https://crud.ocg.labs.empowernow.ai'
const PATH = '/api/v1/analytics/workflows'

const SETTINGS = 'BFF/config/settings.yaml'
const ROUTES = 'BFF/config/routes.yaml'

const secretOf = ({ dataDirectory }: Gateway) =>
  readSecret(`file:${join(dataDirectory, 'secrets/edge.secret')}`)

/** As a proxy asks, with what is not of a browser: tokens may be in the answer. */
const ask = (gateway: Gateway, who: Visitor, headers: Record<string, string>) =>
  fetch(`${gateway.bff}/auth/verify`, { headers: { cookie: who.cookie, ...headers } })

const audienceOf = (response: Response) => {
  const token = response.headers.get('authorization')?.replace('Bearer ', '')
  return token === undefined ? undefined : decodePart(token, 1).aud
}

test('who is signed in, for a proxy that asks', async (t) => {
  const gateway = await startGateway(t)
  const member = await gateway.signedIn()

  await t.test('is said to whoever has the cookie, under both names', async () => {
    for (const path of ['/auth/verify', '/auth/forward', '/auth/verify?original=/x']) {
      const response = await member.fetch(path)
      assert.equal(response.status, 200)
      assert.deepEqual(await response.json(), { status: 'authenticated' })
      const stored = await gateway.openSession(member)
      assert.equal(response.headers.get('x-user-id'), stored?.user.sub)
      assert.equal(response.headers.get('x-user-email'), stored?.user.email)
      assert.equal(response.headers.get('x-user-name'), stored?.user.name)
      assert.match(response.headers.get('x-session-id') ?? '', /^[0-9a-f]{8}\.\.\.$/)
      assert.match(response.headers.get('x-auth-time') ?? '', /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
      assert.match(response.headers.get('x-correlation-id') ?? '', /^[\w-]{8,}$/)
      assert.equal(response.headers.get('cache-control'), 'no-store')
      assert.equal(response.headers.get('authorization'), null)
    }
  })

  await t.test('is no redirect for a browser either, but a problem with its detail', async () => {
    const response = await gateway.visitor().fetch('/auth/verify', {
      headers: { accept: 'text/html' },
    })
    assert.equal(typeof (await assertProblem(response, 'SESSION_REQUIRED')).detail, 'string')
    const stranger = gateway.visitor()
    const cookie = `${gateway.config().frontends.first.cookies.sessionName}=${'x'.repeat(43)}`
    await assertProblem(
      await stranger.fetch('/auth/verify', { headers: { cookie } }),
      'SESSION_EXPIRED',
    )
  })

  await t.test('needs no CSRF token, whatever the method: nothing changes', async () => {
    const response = await member.fetch('/auth/verify', {
      method: 'POST',
      body: 'x=1',
      headers: { origin: 'https://evil.example' },
    })
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('access-control-allow-origin'), null)
  })

  await t.test('is said in HTTP to whoever asks for a WebSocket', async () => {
    const answer = await gateway.raw('GET', '/auth/verify', [
      ['Connection', 'Upgrade, close'],
      ['Upgrade', 'websocket'],
      ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
      ['Sec-WebSocket-Version', '13'],
      ['Cookie', member.cookie],
    ])
    assert.equal(answer.status, 200)
  })

  await t.test('says nothing of an original request that anybody may name', async () => {
    for (const name of ['x-forwarded-uri', 'x-original-uri']) {
      const response = await member.fetch('/auth/verify', { headers: { [name]: PATH } })
      assert.equal(response.status, 200)
      assert.equal(response.headers.get('authorization'), null)
    }
  })

  await t.test('knows no caller that passes by its User-Agent', async () => {
    for (const agent of ['GoogleHC/1.0', 'kube-probe/1.31', 'ELB-HealthChecker/2.0']) {
      const response = await gateway.visitor().fetch('/auth/verify', {
        headers: { 'user-agent': agent, 'x-forwarded-uri': '/health' },
      })
      await assertProblem(response, 'SESSION_REQUIRED')
    }
  })

  await t.test('comes without tokens while edge.tokens is off, whatever is sent', async () => {
    const response = await ask(gateway, member, {
      'x-edge-secret': `${secretOf(gateway)} GET ${PATH}`,
    })
    await assertProblem(response, 'ACCESS_DENIED')
  })
})

test('the token for an original request', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    edits: edgeSettings(),
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
  })
  const secret = secretOf(gateway)
  const member = await gateway.signedIn()
  const original = (method: string, uri: string, more: Record<string, string> = {}) =>
    ask(gateway, member, { 'x-edge-secret': `${secret} ${method} ${uri}`, ...more })

  await t.test("is that of the route's service, and of no other", async () => {
    assert.equal(audienceOf(await original('GET', `${PATH}?a=1`)), ANALYTICS)
    assert.equal(audienceOf(await original('GET', '/api/crud/projects')), CRUD)
    assert.equal(echo.arrivals.length, 0, 'nobody was called')
  })

  await t.test('may be kept for a few seconds, and only for what is safe', async () => {
    const safe = await original('GET', PATH)
    assert.equal(safe.headers.get('cache-control'), 'private, max-age=5')
    assert.equal(safe.headers.get('x-accel-expires'), '5')
    assert.match(safe.headers.get('vary') ?? '', /Cookie/)
    const unsafe = await original('POST', '/api/crud/projects', {
      'x-csrf-token': await member.csrfToken(),
    })
    assert.equal(unsafe.status, 200)
    assert.equal(unsafe.headers.get('cache-control'), 'no-store')
    assert.equal(unsafe.headers.get('x-accel-expires'), null)
  })

  await t.test('is judged as the request itself would be', async () => {
    await assertProblem(await original('GET', '/api/nowhere'), 'ROUTE_NOT_FOUND')
    await assertProblem(await original('GET', '/auth/login'), 'ROUTE_NOT_FOUND')
    await assertProblem(await original('OPTIONS', '/api/crud/projects'), 'METHOD_NOT_ALLOWED')
    await assertProblem(await original('get', '/api/crud/projects'), 'METHOD_NOT_ALLOWED')
    for (const uri of ['/api/crud/../v1/analytics/x', '/api/crud/%2e%2e/x', '/api//crud/x', '*']) {
      await assertProblem(await original('GET', uri), 'PATH_AMBIGUOUS')
    }
    await assertProblem(await original('POST', '/api/crud/projects'), 'CSRF_REJECTED')
    await assertProblem(
      await original('DELETE', '/api/crud/projects/1', {
        'x-csrf-token': await member.csrfToken(),
        origin: 'https://evil.example',
      }),
      'CSRF_REJECTED',
    )
    const stranger = await ask(gateway, gateway.visitor(), {
      'x-edge-secret': `${secret} GET ${PATH}`,
    })
    await assertProblem(stranger, 'SESSION_REQUIRED')
  })

  await t.test('has a head of its own for HEAD, though the question is a GET', async () => {
    assert.equal(audienceOf(await original('HEAD', PATH)), ANALYTICS)
    const refused = await ask(gateway, gateway.visitor(), {
      'x-edge-secret': `${secret} HEAD ${PATH}`,
    })
    await assertProblem(refused, 'SESSION_REQUIRED')
  })

  await t.test('goes to nobody who does not prove to be the proxy', async () => {
    for (const [fault, headers] of Object.entries({
      'another secret': { 'x-edge-secret': `${'x'.repeat(43)} GET ${PATH}` },
      'the beginning of it': { 'x-edge-secret': `${secret.slice(0, -1)} GET ${PATH}` },
      'nothing behind it': { 'x-edge-secret': secret },
      'a method alone': { 'x-edge-secret': `${secret} GET` },
      'two requests': { 'x-edge-secret': `${secret} GET ${PATH} ${PATH}` },
      'an empty one': { 'x-edge-secret': '' },
      'a space before it': { 'x-edge-secret': `x ${secret} GET ${PATH}` },
    })) {
      const response = await ask(gateway, member, headers)
      assert.equal(response.headers.get('authorization'), null, fault)
      await assertProblem(response, 'ACCESS_DENIED')
    }
  })

  await t.test('is not for a request that two headers name differently', async () => {
    for (const headers of [
      { 'x-forwarded-uri': '/api/crud/projects' },
      { 'x-original-uri': '/api/crud/projects' },
      { 'x-forwarded-method': 'DELETE' },
      { 'x-original-method': 'DELETE' },
    ]) {
      await assertProblem(await original('GET', PATH, headers), 'ACCESS_DENIED')
    }
    const agreed = { 'x-forwarded-uri': PATH, 'x-forwarded-method': 'GET' }
    assert.equal(audienceOf(await original('GET', PATH, agreed)), ANALYTICS)
  })

  await t.test('is not for a location that leads to another service', async () => {
    const right = await original('GET', PATH, { 'x-edge-service': 'analytics_service' })
    assert.equal(audienceOf(right), ANALYTICS)
    const wrong = await original('GET', PATH, { 'x-edge-service': 'crud_service' })
    assert.equal(wrong.headers.get('authorization'), null)
    await assertProblem(wrong, 'ACCESS_DENIED')
  })

  await t.test(
    "is not named by headers alone, unless the settings say that they are the proxy's",
    async () => {
      const named = {
        'x-edge-secret': secret,
        'x-forwarded-uri': PATH,
        'x-forwarded-method': 'GET',
      }
      await assertProblem(await ask(gateway, member, named), 'ACCESS_DENIED')
      gateway.reconfigure({
        [SETTINGS]: replace('  tokens: true', '  tokens: true\n  trust_uri_headers: true'),
      })
      assert.equal(audienceOf(await ask(gateway, member, named)), ANALYTICS)
      for (const more of [
        { 'x-original-uri': '/api/crud/projects' },
        { 'x-original-method': 'DELETE' },
        { 'x-forwarded-method': '' },
        { 'x-forwarded-uri': '' },
      ]) {
        await assertProblem(await ask(gateway, member, { ...named, ...more }), 'ACCESS_DENIED')
      }
      gateway.reconfigure({ [SETTINGS]: replace('\n  trust_uri_headers: true', '') })
    },
  )

  await t.test('is not for a peer that is no trusted proxy, secret or not', async () => {
    gateway.reconfigure({ [SETTINGS]: replace('[127.0.0.1]', '[10.0.0.0/8]') })
    await assertProblem(await original('GET', PATH), 'ACCESS_DENIED')
    gateway.reconfigure({ [SETTINGS]: replace('[10.0.0.0/8]', '[127.0.0.1]') })
    assert.equal(audienceOf(await original('GET', PATH)), ANALYTICS)
  })

  await t.test('is explained under the route of the original request', async () => {
    const id = 'edge-explained-1'
    await original('POST', '/api/crud/projects?secret=1', { 'x-correlation-id': id })
    const bad = 'edge-explained-2'
    await ask(gateway, member, { 'x-edge-secret': 'x', 'x-correlation-id': bad })
    const explain = async (of: string) => {
      const response = await fetch(`${gateway.bff}/admin/explain/${of}`, {
        headers: { authorization: `Bearer ${gateway.adminToken}` },
      })
      return JSON.stringify(await response.json())
    }
    const first = await explain(id)
    assert.match(first, /"path":"\/api\/crud\/projects"/)
    assert.match(first, /"route":"api-crud"/)
    assert.match(first, /asked for by a trusted proxy/)
    assert.match(await explain(bad), /"code":"edge_untrusted"/)
    assert.match(await explain(bad), /another secret than that of edge.secret/)
    const line = gateway.logs.find((entry) => entry.correlation_id === id && entry.edge === true)
    assert.deepEqual([line?.route_id, line?.path], ['api-crud', '/api/crud/projects'])
  })

  await t.test('ends with the session', async () => {
    const leaving = await gateway.signedIn(USERS.admin)
    const headers = { 'x-edge-secret': `${secret} GET ${PATH}` }
    const { cookie } = leaving
    assert.equal((await ask(gateway, leaving, headers)).status, 200)
    await leaving.signOut()
    const after = await ask(gateway, leaving, { ...headers, cookie })
    await assertProblem(after, 'SESSION_EXPIRED')
  })
})

test('a machine token comes with the assertion that names the user', async (t) => {
  const gateway = await startGateway(t, {
    edits: {
      [SETTINGS]: inOrder(
        edgeSettings()[SETTINGS] ?? ((text) => text),
        replace('session:\n', 'service_mint:\n  crud_service: client_credentials\n\nsession:\n'),
      ),
    },
  })
  const member = await gateway.signedIn()
  const response = await ask(gateway, member, {
    'x-edge-secret': `${secretOf(gateway)} GET /api/crud/projects`,
  })
  assert.equal(response.status, 200)
  assert.equal(audienceOf(response), CRUD)
  const assertion = decodePart(response.headers.get('x-user-assertion') ?? '', 1)
  assert.equal(assertion.sub, (await gateway.openSession(member))?.user.sub)
  assert.equal(assertion.aud, CRUD)
})

test('a token that is bound to a key of the BFF is not handed out: nobody else can prove it', async (t) => {
  const gateway = await startGateway(t, {
    edits: {
      [SETTINGS]: inOrder(
        edgeSettings()[SETTINGS] ?? ((text) => text),
        replace('session:\n', 'service_dpop:\n  crud_service: true\n\nsession:\n'),
      ),
    },
  })
  const member = await gateway.signedIn()
  const response = await ask(gateway, member, {
    'x-edge-secret': `${secretOf(gateway)} GET /api/crud/projects`,
  })
  assert.equal(response.headers.get('authorization'), null)
  const { detail } = await assertProblem(response, 'ACCESS_DENIED')
  assert.match(String(detail), /DPoP.*let the BFF carry this route/)
})

test('an answer is kept no longer than the session and the token live', async (t) => {
  let now = Math.floor(Date.now() / 1000)
  const gateway = await startGateway(t, {
    edits: edgeSettings(['cache_seconds: 30']),
    clock: () => now,
  })
  const member = await gateway.signedIn()
  const seconds = async () => {
    const response = await ask(gateway, member, {
      'x-edge-secret': `${secretOf(gateway)} GET ${PATH}`,
    })
    return response.headers.get('cache-control')
  }
  assert.equal(await seconds(), 'private, max-age=30')
  const stored = await gateway.openSession(member)
  const token = stored?.tokens.get('analytics_service')
  now = (token?.expiresAt ?? 0) - 21
  assert.equal(await seconds(), 'private, max-age=20')
})

test('routes of other kinds', async (t) => {
  const gateway = await startGateway(t, {
    edits: {
      ...edgeSettings(),
      [ROUTES]: inOrder(
        replace(
          '    methods: [GET, POST, PUT, PATCH, DELETE]\n    auth: session',
          '    auth: bearer',
        ),
        replace('upstream_path: /api/v1/analytics/{path}\n    auth: session', 'auth: none'),
      ),
    },
  })
  const secret = secretOf(gateway)
  const nobody = gateway.visitor()

  await t.test('an open one needs nobody, and says nothing of a session', async () => {
    const response = await ask(gateway, nobody, { 'x-edge-secret': `${secret} GET ${PATH}` })
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('x-user-id'), null)
    assert.equal(response.headers.get('authorization'), null)
    assert.equal(response.headers.get('cache-control'), 'no-store')
  })

  await t.test('a bearer one wants the token that the caller has', async () => {
    const response = await ask(gateway, nobody, {
      'x-edge-secret': `${secret} GET /api/crud/projects`,
    })
    await assertProblem(response, 'TOKEN_REQUIRED')
  })
})
