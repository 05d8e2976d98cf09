import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'

const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'
const CRUD = 'https://crud.ocg.labs.empowernow.ai'

test('the bridge', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
  })
  const visitor = await gateway.signedIn()

  await t.test('sends each backend a token for its audience alone', async () => {
    for (const [path, audience, scope] of [
      ['/api/v1/analytics/workflows?from=x', ANALYTICS, 'api.read'],
      ['/api/crud/projects', CRUD, 'crud.read crud.write'],
    ] as const) {
      const response = await visitor.fetch(path)
      assert.equal(response.status, 200)
      const arrival = echo.arrivals.at(-1)
      assert.equal(arrival?.claims?.aud, audience)
      assert.equal(arrival?.claims?.scope, scope)
      assert.equal(arrival?.claims?.sub, 'user-ben')
      assert.deepEqual(arrival?.claims?.act, { sub: 'bff-server' })
      assert.equal(arrival?.jwtHeader?.typ, 'at+jwt')
      assert.equal(arrival?.headers.cookie, undefined)
      assert.equal(arrival?.headers['x-correlation-id'], response.headers.get('x-correlation-id'))
    }
  })
})
