import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { freezeTime } from '@audience-bridge/testkit/time.ts'
import { SignJWT } from 'jose'

const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'
const CRUD = 'https://crud.ocg.labs.empowernow.ai'

test('routes with auth: bearer and auth: none', async (t) => {
  const time = freezeTime(t)
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin, map_less: echo.origin },
    edits: {
      'BFF/config/routes.yaml': (text) =>
        `${replace('services:\n', 'services:\n  map_less:\n    base_url: http://x.example\n')(text)}
  - id: machine
    path: /machine/*
    target_service: analytics_service
    auth: bearer
  - id: machine-map-less
    path: /machine-map-less/*
    target_service: map_less
    auth: bearer
  - id: open
    path: /open/*
    target_service: crud_service
    auth: none
`,
    },
  })
  const tokenFor = async (resource: string, scope: string): Promise<string> => {
    const form = { grant_type: 'client_credentials', resource, scope }
    const answer = (await (await gateway.askIdp('token', form)).json()) as { access_token?: string }
    assert.ok(answer.access_token)
    return answer.access_token
  }
  const right = await tokenFor(ANALYTICS, 'api.write')
  const call = (authorization: string | undefined, init: RequestInit = {}) =>
    gateway.visitor().fetch('/machine/x', {
      ...init,
      headers: authorization === undefined ? {} : { authorization },
    })

  await t.test('forward the right token untouched, without a CSRF check', async () => {
    for (const method of ['GET', 'POST', 'DELETE']) {
      echo.arrivals.length = 0
      const response = await call(`Bearer ${right}`, {
        method,
        ...(method === 'POST' ? { body: '{}' } : {}),
      })
      assert.equal(response.status, 200)
      assert.equal(echo.arrivals[0]?.headers.authorization, `Bearer ${right}`)
      assert.equal(echo.arrivals[0]?.method, method)
    }
    const access = gateway.logs.find(
      ({ route_id, status }) => route_id === 'machine' && status === 200,
    )
    assert.match(String(access?.message), /token_found=True service=analytics_service/)
  })

  await t.test('without a token are TOKEN_REQUIRED, with how to ask for one', async () => {
    echo.arrivals.length = 0
    const response = await call(undefined)
    assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer /)
    await assertProblem(response, 'TOKEN_REQUIRED')
    // A session is no token.
    const member = await gateway.signedIn()
    await assertProblem(await member.fetch('/machine/x'), 'TOKEN_REQUIRED')
    assert.deepEqual(echo.arrivals, [])
  })

  const [head = '', body = '', signature = ''] = right.split('.')
  const forged = (claims: object) =>
    [head, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.')
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>
  const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')
  const wrong: [string, string | Promise<string>][] = [
    ['for another audience', tokenFor(CRUD, 'crud.read').then((token) => `Bearer ${token}`)],
    ['with another payload', `Bearer ${forged({ ...claims, sub: 'root' })}`],
    ['without a signature', `Bearer ${none}.${body}.`],
    ['with its signature cut', `Bearer ${head}.${body}.${signature.slice(0, -4)}`],
    [
      'signed by somebody else',
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
        .sign(Buffer.from('a secret of at least thirty-two bytes'))
        .then((token) => `Bearer ${token}`),
    ],
    ['that is no JWT', 'Bearer opaque'],
    ['of another scheme', `Basic ${Buffer.from('a:b').toString('base64')}`],
    ['that is empty', 'Bearer '],
    ['twice', `Bearer ${right}, Bearer ${right}`],
  ]
  for (const [what, authorization] of wrong) {
    await t.test(`with a token ${what} are TOKEN_INVALID`, async () => {
      echo.arrivals.length = 0
      const response = await call(await authorization)
      assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer /)
      await assertProblem(response, 'TOKEN_INVALID')
      assert.deepEqual(echo.arrivals, [])
    })
  }

  await t.test('with a token of a session, for exactly this audience, take it', async () => {
    const member = await gateway.signedIn()
    await member.fetch('/api/v1/analytics/x')
    const opened = await gateway.openSession(member)
    const token = opened?.tokens.get('analytics_service')?.token ?? ''
    assert.equal((await call(`Bearer ${token}`)).status, 200)
    // The login's own token is for `empowernow`: it opens no backend.
    await assertProblem(await call(`Bearer ${opened?.grant.access_token}`), 'TOKEN_INVALID')
    // Nor does an ID token.
    await assertProblem(await call(`Bearer ${opened?.grant.id_token}`), 'TOKEN_INVALID')
  })

  await t.test('whose service has no audience take no token at all', async () => {
    const response = await gateway
      .visitor()
      .fetch('/machine-map-less/x', { headers: { authorization: `Bearer ${right}` } })
    await assertProblem(response, 'NO_TOKEN_AVAILABLE')
  })

  await t.test('pass the 401 of the backend on as it is', async () => {
    echo.respond = (_, res) => {
      res.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' })
      res.end('its own words')
    }
    const response = await call(`Bearer ${right}`)
    assert.equal(response.status, 401)
    assert.equal(await response.text(), 'its own words')
    echo.respond = undefined
  })

  await t.test('that need nothing drop every credential', async () => {
    const member = await gateway.signedIn()
    echo.arrivals.length = 0
    const response = await member.fetch('/open/x', {
      method: 'POST',
      body: '{}',
      headers: { authorization: `Bearer ${right}`, 'x-user-id': 'mallory' },
    })
    assert.equal(response.status, 200)
    const [arrival] = echo.arrivals
    assert.equal(arrival?.headers.authorization, undefined)
    assert.equal(arrival?.headers.cookie, undefined)
    assert.equal(arrival?.headers['x-user-id'], undefined)
    const access = gateway.logs.find(({ route_id }) => route_id === 'open')
    assert.ok(!String(access?.message).includes('token_found'))
  })

  await t.test('refuse a token that has expired', async () => {
    time.pass(600 + gateway.config().idp.clockToleranceSeconds + 1)
    await assertProblem(await call(`Bearer ${right}`), 'TOKEN_INVALID')
  })

  await t.test('say IDP_UNAVAILABLE when its keys cannot be had', async () => {
    await gateway.stopIdp()
    await gateway.restartBff()
    await assertProblem(await call(`Bearer ${right}`), 'IDP_UNAVAILABLE')
  })
})
