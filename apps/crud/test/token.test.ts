import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startCrud } from './crud.ts'
import { AUDIENCE } from './issuer.ts'

test('what a token must be', async (t) => {
  const crud = await startCrud(t)
  const now = Math.floor(Date.now() / 1000)

  const refused: {
    name: string
    authorization: string | undefined
    method?: string
    status: number
    code: string
    challenge: RegExp
  }[] = [
    {
      name: 'no token',
      authorization: undefined,
      status: 401,
      code: 'TOKEN_REQUIRED',
      challenge: /^Bearer (?!.*error=)/,
    },
    {
      name: 'a token for another audience',
      authorization: `Bearer ${crud.issuer.token({ aud: 'https://analytics.ocg.labs.empowernow.ai' })}`,
      status: 401,
      code: 'TOKEN_INVALID',
      challenge: new RegExp(`error="invalid_token".*expected audience ${AUDIENCE}`),
    },
    {
      name: 'a token for several audiences',
      authorization: `Bearer ${crud.issuer.token({ aud: [AUDIENCE, 'empowernow'] })}`,
      status: 401,
      code: 'TOKEN_INVALID',
      challenge: /error="invalid_token"/,
    },
    {
      name: 'an expired token',
      authorization: `Bearer ${crud.issuer.token({ exp: now - 120 })}`,
      status: 401,
      code: 'TOKEN_INVALID',
      challenge: /expired/,
    },
    {
      name: 'reading without a reading scope',
      authorization: `Bearer ${crud.issuer.token({ scope: 'crud.write' })}`,
      status: 403,
      code: 'INSUFFICIENT_SCOPE',
      challenge: /error="insufficient_scope".*scope="crud.read"/,
    },
    {
      name: 'writing with a reading scope',
      authorization: `Bearer ${crud.issuer.token({ scope: 'crud.read' })}`,
      method: 'POST',
      status: 403,
      code: 'INSUFFICIENT_SCOPE',
      challenge: /error="insufficient_scope".*scope="crud.write"/,
    },
  ]
  for (const { name, authorization, method = 'GET', status, code, challenge } of refused) {
    await t.test(`${name} → ${status} ${code}`, async () => {
      const response = await fetch(`${crud.origin}/api/projects`, {
        method,
        headers: {
          'x-correlation-id': 'a-known-correlation-id',
          ...(authorization && { authorization }),
        },
      })
      const problem = (await response.json()) as Record<string, unknown>
      assert.equal(response.status, status)
      assert.equal(response.headers.get('content-type'), 'application/problem+json')
      assert.equal(problem.code, code)
      assert.equal(problem.correlation_id, 'a-known-correlation-id')
      assert.match(response.headers.get('www-authenticate') ?? '', challenge)
    })
  }

  for (const scope of ['crud.read', 'application.all']) {
    await t.test(`${scope} suffices for reading`, async () => {
      assert.equal((await crud.call('GET', '/api/projects', { scope })).status, 200)
    })
  }
})

test('every answer reports the least scope that the call needed', async (t) => {
  const crud = await startCrud(t)
  const cases: [method: string, path: string, scope: string, expected: string][] = [
    ['GET', '/api/projects', 'crud.read', '200 crud.read'],
    ['GET', '/api/projects', 'application.all', '200 crud.read'],
    ['GET', '/api/projects', 'crud.write', '403 crud.read'],
    ['POST', '/api/projects', 'crud.read', '403 crud.write'],
    ['POST', '/api/projects', 'application.all', '400 crud.write'],
    ['GET', '/api/projects/none', 'application.all', '404 crud.read'],
    ['GET', '/api/whoami', 'crud.read', '200 ""'],
    ['DELETE', '/api/whoami', 'crud.read', '405 ""'],
    ['GET', '/api/none', 'crud.read', '404 ""'],
  ]
  for (const [method, path, scope, expected] of cases) {
    await t.test(`${method} ${path} with ${scope}: ${expected}`, async () => {
      const { status, headers } = await crud.call(method, path, { scope })
      assert.equal(`${status} ${headers.get('x-required-scope')}`, expected)
    })
  }
})

test('whoami says what the token says, and not the token', async (t) => {
  const crud = await startCrud(t)
  const { status, body } = await crud.call('GET', '/api/whoami', { roles: ['admin'] })
  assert.equal(status, 200)
  assert.equal(typeof body.correlation_id, 'string')
  assert.deepEqual(
    { ...body, correlation_id: '' },
    {
      sub: 'user-1',
      act: { sub: 'bff-server' },
      aud: AUDIENCE,
      scope: 'crud.read crud.write',
      roles: ['admin'],
      client_id: 'bff-server',
      correlation_id: '',
    },
  )
})

test('health and metadata need no token', async (t) => {
  const crud = await startCrud(t)
  const health = await fetch(`${crud.origin}/health`)
  assert.deepEqual(await health.json(), { status: 'ok' })
  const metadata = await fetch(`${crud.origin}/.well-known/oauth-protected-resource`)
  const document = (await metadata.json()) as Record<string, unknown>
  assert.equal(document.resource, AUDIENCE)
  assert.deepEqual(document.authorization_servers, [crud.issuer.url])
})
