import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Edit, inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { rawValues, startEcho } from '@audience-bridge/testkit/echo.ts'
import { type Gateway, startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { freezeTime } from '@audience-bridge/testkit/time.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { ANALYTICS, adding, CRUD, issued, lazily, PATHS, startMinting } from './minting.ts'

test('login_token goes to a service whose audience is exactly that of the login', async (t) => {
  const { echo, gateway } = await startMinting(
    t,
    inOrder(
      adding('service_mint:\n  analytics_service: login_token'),
      replace(`analytics_service: ${ANALYTICS}`, 'analytics_service: empowernow'),
      replace('analytics_service: api.read', 'analytics_service: application.all'),
    ),
  )
  const who = await gateway.signedIn()
  assert.equal((await who.fetch(PATHS.analytics)).status, 200)
  const { aud, sub } = echo.arrivals.at(-1)?.claims ?? {}
  assert.deepEqual([aud, sub], ['empowernow', 'user-ben'])
  assert.equal((await who.fetch(PATHS.crud)).status, 200)
  assert.equal(echo.arrivals.at(-1)?.claims?.aud, CRUD)
})

test('client_credentials says who the user is in an assertion of our own', async (t) => {
  const { echo, gateway } = await startMinting(
    t,
    adding('service_mint:\n  analytics_service: client_credentials'),
  )
  const who = await gateway.signedIn()
  const response = await who.fetch(PATHS.analytics, {
    headers: { 'x-user-assertion': 'forged', X_User_Assertion: 'forged' },
  })
  assert.equal(response.status, 200)
  const arrival = echo.arrivals.at(-1)
  assert.ok(arrival)
  assert.equal(arrival.claims?.aud, ANALYTICS)
  assert.equal(arrival.claims?.sub, 'bff-server')
  assert.equal(arrival.claims?.scope, 'api.read')

  const assertions = rawValues(arrival, 'x-user-assertion')
  assert.equal(assertions.length, 1)
  assert.equal(arrival.headers.x_user_assertion, undefined)
  const jwks = (await (
    await gateway.visitor().fetch('/.well-known/jwks.json')
  ).json()) as JSONWebKeySet
  assert.ok(
    jwks.keys.every((key) => !('d' in key)),
    'no private part is published',
  )
  const { payload, protectedHeader } = await jwtVerify(
    assertions[0] ?? '',
    createLocalJWKSet(jwks),
    { issuer: gateway.bff, audience: ANALYTICS, typ: 'user-assertion+jwt' },
  )
  assert.equal(protectedHeader.alg, 'ES256')
  assert.equal(payload.aud, ANALYTICS)
  assert.equal(payload.sub, 'user-ben')
  assert.deepEqual(payload.roles, ['member'])
  assert.ok(Number(payload.exp) - Number(payload.iat) <= 60)
  // A second request has an assertion of its own; another service has none.
  await who.fetch(PATHS.analytics)
  const [second = ''] = rawValues(echo.arrivals.at(-1) ?? arrival, 'x-user-assertion')
  assert.notEqual(second, assertions[0])
  await who.fetch(PATHS.crud)
  assert.equal(echo.arrivals.at(-1)?.headers['x-user-assertion'], undefined)
})

test('the scopes of a service', async (t) => {
  const cases: [string, Edit, string][] = [
    [
      "V1's list means any of them",
      inOrder(
        replace(`  analytics_service: ${ANALYTICS}\n`, ''),
        replace('  analytics_service: api.read\n', ''),
        adding(
          `service_tokens:\n  analytics_service:\n    audience: ${ANALYTICS}\n    scopes: [api.nowhere, api.read]`,
        ),
      ),
      'api.read',
    ],
    [
      "V1's list as the brief prints it is granted whole",
      inOrder(
        replace(`  analytics_service: ${ANALYTICS}\n`, ''),
        replace('  analytics_service: api.read\n', ''),
        adding(
          `service_tokens:\n  analytics_service: { audience: "${ANALYTICS}", scopes: [api.read, api.write, application.all] }`,
        ),
      ),
      'api.read api.write application.all',
    ],
    [
      '`requires: any` takes the first that is granted',
      replace(
        'analytics_service: api.read',
        'analytics_service: { scopes: api.nowhere api.write api.read, requires: any }',
      ),
      'api.write',
    ],
    [
      'none means all that lead there',
      replace('  analytics_service: api.read\n', ''),
      'application.all api.read api.write',
    ],
    [
      'a list is the same as a text',
      replace('analytics_service: api.read', 'analytics_service: [api.read, api.write]'),
      'api.read api.write',
    ],
  ]
  for (const [what, edit, scope] of cases) {
    await t.test(what, async (t) => {
      const { echo, gateway } = await startMinting(t, edit)
      const who = await gateway.signedIn()
      assert.equal((await who.fetch(PATHS.analytics)).status, 200)
      const { aud, scope: carried } = echo.arrivals.at(-1)?.claims ?? {}
      assert.equal(aud, ANALYTICS)
      assert.deepEqual(String(carried).split(' ').sort(), scope.split(' ').sort())
    })
  }
  await t.test('`requires: all` is refused when one is missing', async (t) => {
    const { echo, gateway } = await startMinting(
      t,
      replace('analytics_service: api.read', 'analytics_service: api.read api.nowhere'),
    )
    const who = await gateway.signedIn()
    await assertProblem(await who.fetch(PATHS.analytics), 'NO_TOKEN_AVAILABLE')
    assert.deepEqual(echo.arrivals, [])
  })
})

test('a hundred first calls cost one mint for each session and service', async (t) => {
  const { echo, gateway } = await startMinting(t, lazily)
  const visitors = [await gateway.signedIn(), await gateway.signedIn()]
  const statuses = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      const path = i % 2 === 0 ? PATHS.analytics : PATHS.crud
      const response = await visitors[(i >> 1) % 2]?.fetch(path)
      return response?.status
    }),
  )
  assert.deepEqual([...new Set(statuses)], [200])
  assert.equal(issued(gateway, ANALYTICS).length, 2)
  assert.equal(issued(gateway, CRUD).length, 2)
  assert.equal(new Set(echo.arrivals.map(({ headers }) => headers.authorization)).size, 4)
})

test('a login token that has run out is renewed once, whoever asks for what', async (t) => {
  const time = freezeTime(t)
  const { gateway } = await startMinting(t, lazily)
  const who = await gateway.signedIn()
  const refreshes = () =>
    gateway.idpLogs.filter(
      ({ message, grant_type }) => message === 'token issued' && grant_type === 'refresh_token',
    ).length
  for (let round = 1; round <= 3; round++) {
    time.pass(605)
    const statuses = await Promise.all(
      [PATHS.analytics, PATHS.crud, PATHS.analytics, PATHS.crud].map(
        async (path) => (await who.fetch(path)).status,
      ),
    )
    // A rotated refresh token that is sent twice looks like theft, and ends the grant.
    assert.deepEqual(statuses, [200, 200, 200, 200])
    assert.equal(refreshes(), round)
  }
})

test('a storm of calls that the IdP refuses is no storm at the IdP', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin },
    edits: {
      'BFF/config/settings.yaml': lazily,
      'IdP/config/clients.yaml': replace(`    - ${ANALYTICS}\n`, ''),
    },
  })
  const who = await gateway.signedIn()
  await Promise.all(
    Array.from({ length: 50 }, async () =>
      assertProblem(await who.fetch(PATHS.analytics), 'NO_TOKEN_AVAILABLE'),
    ),
  )
  assert.equal(gateway.idpLogs.filter(({ message }) => message === 'refused').length, 1)
})

test('tokens that are minted after the login', async (t) => {
  const mapped = (gateway: Gateway) =>
    until('the log line', () =>
      gateway.logs.find(({ message }) => /bff_service_tokens_mapped/.test(String(message))),
    )
  await t.test('are named in the log, and in the session', async (t) => {
    const { gateway } = await startMinting(t, (text) => `${text}# as shipped\n`)
    const who = await gateway.signedIn()
    const line = await mapped(gateway)
    assert.equal(line.level, 'info')
    assert.match(String(line.message), /bff_service_tokens_mapped .*analytics_service/)
    assert.deepEqual(line.services, ['analytics_service', 'crud_service'])
    const session = await who.session()
    assert.deepEqual(session.authenticated && session.services, line.services)
    assert.equal((await who.fetch(PATHS.analytics)).status, 200)
    assert.equal(issued(gateway, ANALYTICS).length, 1, 'the first call finds it there')
  })

  await t.test('that cannot be had are not named, and fail no login', async (t) => {
    const echo = await startEcho(t)
    const gateway = await startGateway(t, {
      upstreams: { crud_service: echo.origin },
      edits: { 'IdP/config/clients.yaml': replace(`    - ${ANALYTICS}\n`, '') },
    })
    const who = await gateway.signedIn()
    const line = await mapped(gateway)
    assert.deepEqual(line.services, ['crud_service'])
    assert.ok(!String(line.message).includes('analytics_service'))
    assert.equal((await who.fetch(PATHS.crud)).status, 200)
  })

  await t.test('are those of auth.eager_services alone', async (t) => {
    const { gateway } = await startMinting(
      t,
      replace('auth:\n', 'auth:\n  eager_services: [crud_service]\n'),
    )
    await gateway.signedIn()
    assert.deepEqual((await mapped(gateway)).services, ['crud_service'])
  })
})

test('a token is used no longer than service_token_seconds, and never to its last second', async (t) => {
  const time = freezeTime(t)
  const { echo, gateway } = await startMinting(
    t,
    inOrder(replace('auth:\n', 'auth:\n  service_token_seconds: 60\n'), lazily),
  )
  const who = await gateway.signedIn()
  const token = async () => {
    assert.equal((await who.fetch(PATHS.analytics)).status, 200)
    return echo.arrivals.at(-1)?.headers.authorization
  }
  const first = await token()
  time.pass(49)
  assert.equal(await token(), first)
  time.pass(1)
  assert.notEqual(await token(), first)
})
