import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { freezeTime } from '@audience-bridge/testkit/time.ts'
import { ANALYTICS, adding, CRUD, issued, lazily, PATHS, startMinting } from './minting.ts'

test('refresh_resource', async (t) => {
  const time = freezeTime(t)
  await t.test('beside token_exchange: each backend its own audience', async (t) => {
    const { echo, gateway } = await startMinting(
      t,
      inOrder(
        adding('service_mint:\n  analytics_service: refresh_resource'),
        replace('analytics_service: api.read', 'analytics_service: application.all'),
      ),
    )
    const who = await gateway.signedIn()
    for (let round = 0; round < 3; round++) {
      assert.equal((await who.fetch(PATHS.analytics)).status, 200)
      const { aud, scope, sub, act } = echo.arrivals.at(-1)?.claims ?? {}
      assert.deepEqual(
        [aud, scope, sub, act],
        [ANALYTICS, 'application.all', 'user-ben', undefined],
      )
      assert.equal((await who.fetch(PATHS.crud)).status, 200)
      const crud = echo.arrivals.at(-1)?.claims
      assert.deepEqual([crud?.aud, crud?.scope], [CRUD, 'crud.read crud.write'])
      assert.deepEqual(crud?.act, { sub: 'bff-server' })
      time.pass(605)
    }
    const opened = await gateway.openSession(who)
    const [, body = ''] = opened?.grant.access_token.split('.') ?? []
    const login = JSON.parse(Buffer.from(body, 'base64url').toString()) as { aud: unknown }
    assert.equal(login.aud, 'empowernow', "the login's own token stays for the IdP alone")
  })

  await t.test('for every service, with rotation, from many requests at once', async (t) => {
    const { echo, gateway } = await startMinting(
      t,
      inOrder(
        adding(
          'service_mint:\n  analytics_service: refresh_resource\n  crud_service: refresh_resource',
        ),
        replace('analytics_service: api.read', 'analytics_service: application.all'),
        replace('crud_service: crud.read crud.write', 'crud_service: application.all'),
        lazily,
      ),
    )
    const who = await gateway.signedIn()
    for (let round = 1; round <= 4; round++) {
      const statuses = await Promise.all(
        Array.from({ length: 20 }, async (_, i) => {
          const response = await who.fetch(i % 2 === 0 ? PATHS.analytics : PATHS.crud)
          return response.status
        }),
      )
      assert.deepEqual([...new Set(statuses)], [200])
      assert.equal(issued(gateway, ANALYTICS).length, round)
      assert.equal(issued(gateway, CRUD).length, round)
      time.pass(605)
    }
    for (const { url, claims } of echo.arrivals) {
      assert.equal(claims?.aud, url.startsWith('/api/v1/analytics') ? ANALYTICS : CRUD)
    }
    assert.equal((await who.session()).authenticated, true)
  })

  await t.test('for a service that was added later asks for one silent login', async (t) => {
    const { echo, gateway } = await startMinting(
      t,
      inOrder(replace('analytics_service: api.read', 'analytics_service: application.all'), lazily),
    )
    const who = await gateway.signedIn()
    await gateway.restartBff({
      'BFF/config/settings.yaml': adding('service_mint:\n  analytics_service: refresh_resource'),
    })
    const problem = await assertProblem(
      await who.fetch(PATHS.analytics),
      'REAUTHORIZATION_REQUIRED',
    )
    const silent = await who.follow(
      await who.fetch(String(problem.login_url)),
      ({ pathname }) => pathname === '/',
    )
    assert.equal(silent.status, 302, 'nobody types a password')
    assert.equal((await who.fetch(PATHS.analytics)).status, 200)
    assert.equal(echo.arrivals.at(-1)?.claims?.aud, ANALYTICS)
  })
})
