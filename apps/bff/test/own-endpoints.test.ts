import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { until } from '@audience-bridge/testkit/wait.ts'

test("the BFF's own endpoints", async (t) => {
  const gateway = await startGateway(t)
  const member = await gateway.signedIn()
  const logout = (type: string, body: string) =>
    member.fetch('/auth/logout', { method: 'POST', headers: { 'content-type': type }, body })

  await t.test('refuse bodies that cannot be read', async () => {
    const huge = `csrf_token=${'x'.repeat(70_000)}`
    await assertProblem(await logout('application/x-www-form-urlencoded', huge), 'BODY_TOO_LARGE')
    await assertProblem(await logout('application/xml', '<x/>'), 'UNSUPPORTED_MEDIA_TYPE')
    await assertProblem(await logout('application/json', '{"a":'), 'BAD_REQUEST')
    await assertProblem(await logout('application/json', '{"__proto__":{}}'), 'BAD_REQUEST')
    assert.equal((await member.session()).authenticated, true)
  })

  await t.test('take the media type of a body that is not there', async () => {
    const headers = { 'content-type': 'application/json', 'x-csrf-token': await member.csrfToken() }
    const response = await member.fetch('/auth/logout', { method: 'POST', headers })
    assert.equal(response.status, 200)
  })

  await t.test('say which methods they take', async () => {
    for (const [method, path, allow] of [
      ['DELETE', '/auth/session', 'GET, HEAD'],
      ['POST', '/auth/login', 'GET, HEAD'],
      ['POST', '/auth/callback?state=x', 'GET, HEAD'],
      ['PUT', '/api/auth/logout', 'GET, HEAD, POST'],
      ['POST', '/health', 'GET, HEAD'],
    ] as const) {
      const response = await member.fetch(path, { method })
      assert.equal(response.headers.get('allow'), allow, path)
      await assertProblem(response, 'METHOD_NOT_ALLOWED')
    }
    await assertProblem(await member.fetch('/auth/nowhere', { method: 'POST' }), 'NOT_FOUND')
  })

  await t.test('give the CSRF token by itself to whoever is signed in', async () => {
    const other = await gateway.signedIn()
    const response = await other.fetch('/auth/csrf')
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('cache-control'), 'no-store')
    assert.deepEqual(await response.json(), { csrf_token: await other.csrfToken() })
    await assertProblem(await gateway.visitor().fetch('/auth/csrf'), 'SESSION_REQUIRED')
  })

  await t.test('have the names of the documented system, too', async () => {
    for (const [alias, path] of [
      ['/auth/health', '/health'],
      ['/api/v1/health', '/health'],
      ['/api/v1/health/live?x=1', '/health'],
      ['/api/v1/health/ready', '/health/ready'],
    ] as const) {
      const [one, other] = [await member.fetch(alias), await member.fetch(path)]
      assert.equal(one.status, other.status, alias)
      assert.deepEqual(await one.json(), await other.json(), alias)
    }
    await assertProblem(await member.fetch('/api/v1/health/redis'), 'NOT_FOUND')
    await assertProblem(await member.fetch('/api/v1/healthy'), 'ROUTE_NOT_FOUND')
  })

  await t.test('answer pages of allowed origins alone', async () => {
    const response = await member.fetch('/api/auth/session', {
      headers: { origin: 'https://evil.example' },
    })
    assert.equal(response.headers.get('access-control-allow-origin'), null)
    await assertProblem(response, 'ORIGIN_FORBIDDEN')
  })

  await t.test('are alive without the IdP, and say when they are not ready', async () => {
    const status = async (path: string) => (await member.fetch(path)).status
    assert.deepEqual([await status('/health'), await status('/health/ready')], [200, 200])
    await gateway.stopIdp()
    await gateway.restartBff()
    assert.deepEqual([await status('/health'), await status('/health/ready')], [200, 503])
    await gateway.startIdp()
    await until('readiness', async () => (await status('/health/ready')) === 200)
  })
})
