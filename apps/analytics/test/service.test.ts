import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AUDIENCE, startWorld } from './world.ts'

const world = await startWorld()
const PATH = '/api/v1/analytics/workflows'

test('a token for another audience is refused with a challenge that names ours', async () => {
  const { response, body } = await world.get(PATH, { aud: 'empowernow' })
  assert.equal(response.status, 401)
  assert.equal((body as { code: string }).code, 'TOKEN_INVALID')
  assert.equal(
    response.headers.get('www-authenticate'),
    `Bearer realm="analytics", error="invalid_token", error_description="expected audience ${AUDIENCE}, found empowernow", reason="audience", resource_metadata="${AUDIENCE}/.well-known/oauth-protected-resource"`,
  )
})

test('a token for several audiences is refused', async () => {
  const { response } = await world.get(PATH, { aud: [AUDIENCE, 'empowernow'] })
  assert.equal(response.status, 401)
})

test('no token is 401 without an error, a token without the scope 403', async () => {
  const bare = await fetch(world.origin + PATH)
  assert.equal(bare.status, 401)
  assert.equal(((await bare.json()) as { code: string }).code, 'TOKEN_REQUIRED')
  assert.ok(!bare.headers.get('www-authenticate')?.includes('error='))

  const { response, body } = await world.get(PATH, { scope: 'openid api.write' })
  assert.equal(response.status, 403)
  assert.equal((body as { code: string }).code, 'INSUFFICIENT_SCOPE')
  assert.match(
    response.headers.get('www-authenticate') ?? '',
    /insufficient_scope.*scope="api.read"/,
  )
})

test('every answer of a protected endpoint reports the least scope that the call needed', async (t) => {
  const events = '/api/v1/analytics/events'
  const cases: [name: string, path: string, init: RequestInit & { scope?: string }, string][] = [
    ['200 to a broader token', PATH, { scope: 'application.all' }, '200 api.read'],
    ['400', `${PATH}?colour=red`, {}, '400 api.read'],
    ['403', PATH, { scope: 'api.write' }, '403 api.read'],
    [
      '403 to a broader token',
      events,
      { method: 'POST', scope: 'application.all' },
      '403 api.write',
    ],
    ['415', events, { method: 'POST', body: 'a' }, '415 api.write'],
    ['404, which is the same for everybody', `${PATH}/none`, {}, '404 ""'],
    ['405, which is the same for everybody', PATH, { method: 'PUT' }, '405 ""'],
  ]
  for (const [name, path, { scope, ...init }, expected] of cases) {
    await t.test(name, async () => {
      const token = await world.token(scope === undefined ? {} : { scope })
      const headers = { authorization: `Bearer ${token}` }
      const response = await fetch(world.origin + path, { ...init, headers })
      await response.body?.cancel()
      assert.equal(`${response.status} ${response.headers.get('x-required-scope')}`, expected)
    })
  }
  await t.test('401 without a token', async () => {
    const response = await fetch(world.origin + PATH)
    assert.equal(response.headers.get('x-required-scope'), 'api.read')
  })
})

test('either read scope suffices', async () => {
  for (const scope of ['api.read', 'openid application.all']) {
    assert.equal((await world.get(PATH, { scope })).response.status, 200)
  }
})

test('a wrong method is 405 with Allow, an unknown path 404', async () => {
  const wrong = await fetch(world.origin + PATH, { method: 'DELETE' })
  assert.equal(wrong.status, 405)
  assert.equal(wrong.headers.get('allow'), 'GET, HEAD')
  const events = await fetch(`${world.origin}/api/v1/analytics/events`)
  assert.equal(events.headers.get('allow'), 'POST')
  const unknown = await fetch(`${world.origin}/api/v1/analytics/budgets`)
  assert.equal(unknown.status, 404)
  assert.equal(unknown.headers.get('content-type'), 'application/problem+json')
})

test('the service tells which tokens it takes', async () => {
  const response = await fetch(`${world.origin}/.well-known/oauth-protected-resource`)
  assert.deepEqual(await response.json(), {
    resource: AUDIENCE,
    authorization_servers: [world.issuer],
    scopes_supported: ['api.read', 'api.write', 'application.all'],
    bearer_methods_supported: ['header'],
  })
})

test('the service is alive and ready', async () => {
  for (const path of ['/health', '/health/ready']) {
    const response = await fetch(world.origin + path)
    assert.equal(response.status, 200)
    assert.deepEqual(await response.json(), { status: 'ok' })
  }
})

test('the OpenAPI document describes every endpoint and parameter', async () => {
  const response = await fetch(`${world.origin}/openapi.json`)
  const document = (await response.json()) as {
    openapi: string
    paths: Record<string, Record<string, { parameters?: { name: string }[] }>>
  }
  assert.match(document.openapi, /^3\.1/)
  const parameters = Object.entries(document.paths).map(([path, methods]) => [
    path.replace('/api/v1/analytics/', ''),
    Object.keys(methods).join(),
    (Object.values(methods)[0]?.parameters ?? []).map(({ name }) => name).join(),
  ])
  assert.deepEqual(parameters, [
    ['workflows', 'get', 'from,to,interval,service,workflow,subject,limit'],
    ['authorization-metrics', 'get', 'from,to,interval,service,subject,limit'],
    ['anomalous-access-patterns', 'get', 'from,to,service,subject,min_score,limit'],
    ['scope-usage', 'get', 'from,to,service,limit'],
    ['events', 'post', ''],
  ])
})
