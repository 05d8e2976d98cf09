import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { startRedis, withRedis } from '@audience-bridge/testkit/redis.ts'
import { until } from '@audience-bridge/testkit/wait.ts'

const PATH = '/api/v1/analytics/workflows'

test('a BFF whose sessions are in Redis', async (t) => {
  const redis = await startRedis(t)
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
    edits: {
      'BFF/config/settings.yaml': withRedis(redis, redis.directory),
      'BFF/config/routes.yaml': (text) =>
        `${text}\n  - id: open\n    path: /open/*\n    target_service: crud_service\n    auth: none\n`,
    },
  })
  const visitor = await gateway.signedIn()
  const csrf = await visitor.csrfToken()
  const status = async (path: string) => {
    const response = await visitor.fetch(path)
    await response.arrayBuffer()
    return response.status
  }
  const sessionKeys = () => redis.cli('keys', 'bff:session:*')

  await t.test('signs in, calls and survives a restart', async () => {
    assert.equal(await status(PATH), 200)
    assert.equal(await status('/api/crud/x'), 200)
    const minted = await gateway.openSession(visitor)
    assert.deepEqual([...(minted?.tokens.keys() ?? [])].sort(), [
      'analytics_service',
      'crud_service',
    ])
    await gateway.restartBff()
    assert.equal(await status(PATH), 200)
    assert.deepEqual(
      (await gateway.openSession(visitor))?.tokens,
      minted?.tokens,
      'the same tokens: nothing was minted anew',
    )
  })

  await t.test('writes nothing there that can be read', () => {
    const log = join(redis.directory, 'appendonlydir')
    const all = readdirSync(log)
      .map((name) => readFileSync(join(log, name), 'latin1'))
      .join('')
    assert.ok(all.includes('bff:session:{'))
    const cookies = visitor.cookie.split('; ').map((pair) => pair.split('=')[1] ?? '')
    for (const secret of [...cookies, csrf, 'eyJ', 'user-ben', 'ben@example.com', 'offline']) {
      assert.ok(!all.includes(secret), secret)
    }
  })

  const away = async () => {
    const told = async (path: string) => {
      const began = performance.now()
      const response = await visitor.fetch(path)
      const took = performance.now() - began
      assert.ok(Number(response.headers.get('retry-after')) > 0, path)
      assert.deepEqual(response.headers.getSetCookie(), [], 'the cookie is kept')
      await assertProblem(response, 'STORE_UNAVAILABLE')
      assert.ok(took < 1000, `${path} took ${took} ms`)
    }
    for (const path of [PATH, '/api/auth/session', '/auth/login']) await told(path)
    await Promise.all(Array.from({ length: 20 }, () => told(PATH)))
    const logout = await visitor.fetch('/auth/logout', {
      method: 'POST',
      headers: { 'x-csrf-token': csrf, accept: 'application/json' },
    })
    await assertProblem(logout, 'STORE_UNAVAILABLE')
    for (const path of ['/open/x', '/health', '/.well-known/jwks.json'])
      assert.equal(await status(path), 200, path)
  }
  // Who is signed in here is trusted for a second, and no longer.
  const noticed = async () => {
    const began = performance.now()
    const seen = await until('the outage', async () => {
      const now = await status(PATH)
      return now === 200 ? undefined : now
    })
    assert.equal(seen, 503)
    assert.ok(performance.now() - began < 2_500)
  }
  const back = () => until('the recovery', async () => (await status(PATH)) === 200)

  await t.test('answers 503 while Redis is paused, and goes on by itself', async () => {
    redis.pause()
    await noticed()
    await away()
    redis.resume()
    await back()
    assert.equal((await visitor.session()).authenticated, true)
  })

  await t.test('answers 503 while Redis is gone, and goes on with the same sessions', async () => {
    await redis.kill()
    await noticed()
    await away()
    await redis.start()
    await back()
    assert.equal((await visitor.session()).authenticated, true)
    assert.equal((await visitor.fetch('/api/crud/x')).status, 200)
  })

  await t.test('signs out: nothing is left', async () => {
    const response = await visitor.fetch('/auth/logout', {
      method: 'POST',
      headers: { 'x-csrf-token': csrf, accept: 'application/json' },
    })
    assert.equal(response.status, 200)
    assert.equal((await sessionKeys()).trim(), '')
    assert.equal((await redis.cli('keys', 'bff:tokens:*')).trim(), '')
    assert.deepEqual(await visitor.session(), { authenticated: false })
  })
})
