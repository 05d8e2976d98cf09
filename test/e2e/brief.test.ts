import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  copyConfig,
  type Edit,
  type editConfig,
  ROOT,
  replace,
  temporaryDirectory,
} from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { freePorts } from '@audience-bridge/testkit/ports.ts'
import { type System, startSystem } from '@audience-bridge/testkit/system.ts'
import { problemOf, Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { parse } from 'yaml'
import { anomalies, authorization, PATHS, workflows } from './analytics-api.ts'

/*
 * The brief, row by row, from outside: the files as YAML by whoever reads them, and the system as a
 * browser and an operator see it.
 */

const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'
const APPLICATION_ALL = [
  'https://idp.ocg.labs.empowernow.ai/api/admin',
  'https://idp.ocg.labs.empowernow.ai/api/v1',
  'https://crud.ocg.labs.empowernow.ai',
  'empowernow',
  ANALYTICS,
]

test('the shipped files', async (t) => {
  const file = (name: string) => parse(readFileSync(join(ROOT, 'ServiceConfigs', name), 'utf8'))
  const routes = file('BFF/config/routes.yaml')
  const bff = file('BFF/config/settings.yaml')
  const idp = file('IdP/config/settings.yaml')
  const clients = file('IdP/config/clients.yaml')
  const route = routes.routes.find(({ id }: { id: string }) => id === 'api-analytics')

  await t.test('route file: ServiceConfigs/BFF/config/routes.yaml', () => {
    assert.equal(typeof routes.version, 'string')
    assert.ok(Array.isArray(routes.routes))
  })
  await t.test(
    'route: api-analytics leads /api/v1/analytics/* to analytics_service by session',
    () => {
      const { path, target_service, auth, upstream_path } = route
      assert.deepEqual(
        { path, target_service, auth, upstream_path },
        {
          path: '/api/v1/analytics/*',
          target_service: 'analytics_service',
          auth: 'session',
          upstream_path: '/api/v1/analytics/{path}',
        },
      )
      assert.equal(route.methods, undefined)
      assert.equal(route.authz, undefined)
      assert.match(routes.services.analytics_service.base_url, /^http:.*8100\}?$/)
    },
  )
  await t.test(
    'IdP scope→audience: token.audience_mappings.scope_mappings of {scope, audiences}',
    () => {
      const { scope_mappings } = idp.token.audience_mappings
      assert.ok(scope_mappings.length > 0)
      for (const { scope, audiences } of scope_mappings) {
        assert.equal(typeof scope, 'string')
        assert.ok(Array.isArray(audiences))
      }
    },
  )
  await t.test('application.all: the five audiences', () => {
    const all = idp.token.audience_mappings.scope_mappings.find(
      ({ scope }: { scope: string }) => scope === 'application.all',
    )
    assert.deepEqual(all.audiences, APPLICATION_ALL)
  })
  await t.test('IdP client: bff-server may ask for empowernow and analytics', () => {
    const allowed: string[] = clients['bff-server'].allowed_audiences
    assert.deepEqual(allowed.slice(0, 2), ['empowernow', ANALYTICS])
  })
  await t.test('BFF login scopes: auth.oauth_scopes, to the letter', () => {
    assert.equal(bff.auth.oauth_scopes, 'openid profile email application.all offline_access')
  })
  await t.test('V2: the map is configuration, and analytics asks for api.read alone', () => {
    assert.equal(bff.service_audiences.analytics_service, ANALYTICS)
    assert.equal(bff.service_scopes.analytics_service, 'api.read')
    assert.equal(bff.service_tokens, undefined)
  })
})

test('flow: what reaches analytics is a token for it alone, without the cookie', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, { upstreams: { analytics_service: echo.origin } })
  const visitor = await gateway.signedIn()
  assert.equal((await visitor.fetch(PATHS.authorization)).status, 200)
  const arrival = echo.arrivals.at(-1)
  assert.equal(arrival?.url, PATHS.authorization)
  assert.equal(arrival?.claims?.aud, ANALYTICS)
  assert.equal(arrival?.claims?.scope, 'api.read')
  assert.equal(arrival?.headers.cookie, undefined)
})

test('a session through the rollout and every trouble of the brief', async (t) => {
  const rollout = await startRollout(t)
  const visitor = new Visitor(rollout.origin)

  await rollout.with({ 'BFF/config/settings.yaml': withoutV2Map }, async (system) => {
    const user = system.users.find(({ roles }) => roles.includes('admin'))
    assert.ok(user)
    assert.equal((await visitor.signIn(user)).status, 302)
    await t.test('troubleshoot (a): not in the map is 401 and NO_TOKEN_AVAILABLE', () =>
      noToken(system, visitor),
    )
    await t.test(
      'and the login says so: the tokens that were mapped are without analytics',
      async () => {
        const line = await logged(system, 'bff_service_tokens_mapped')
        assert.doesNotMatch(line, /analytics_service/)
        assert.match(line, /crud_service/)
      },
    )
    await t.test('responses: without a session it is 401 SESSION_REQUIRED', async () => {
      const response = await fetch(`${system.bff}${PATHS.workflows}`)
      assert.equal(response.status, 401)
      assert.equal((await problemOf(response)).code, 'SESSION_REQUIRED')
    })
  })

  const unlisted = replace(`    - ${ANALYTICS}\n`, '')
  await rollout.with({ 'IdP/config/clients.yaml': unlisted }, async (system) => {
    await t.test('troubleshoot (a): an audience that the IdP does not permit is the same', () =>
      noToken(system, visitor),
    )
  })

  const slash = replace(`audience: ${ANALYTICS}`, `audience: ${ANALYTICS}/`)
  await rollout.with({ 'Analytics/config/settings.yaml': slash }, async (system) => {
    await t.test(
      'troubleshoot (b): another aud than exactly the URL is 401 and token_found=True',
      async () => {
        const response = await visitor.fetch(PATHS.workflows)
        assert.equal(response.status, 401)
        const problem = await problemOf(response)
        assert.equal(problem.code, 'AUDIENCE_MISMATCH')
        await logged(system, 'token_found=True', 'service=analytics_service', '"status":401')
      },
    )
  })

  const v1 = {
    'BFF/config/settings.yaml': (text: string) => `${withoutV2Map(text)}
service_tokens:
  "analytics_service": {audience: "${ANALYTICS}", scopes: ["api.read","api.write","application.all"]}
`,
  }
  await rollout.with(v1, async (system) => {
    await t.test('V1 map: still read, with its meaning', async () => {
      assert.equal((await workflows(visitor)).view, 'all')
    })
    await t.test(
      'troubleshoot (c): a session from before the change needs no sign-out',
      async () => {
        const session = await visitor.session()
        assert.ok(session.authenticated)
        assert.ok(session.services.includes('analytics_service'))
      },
    )
    await t.test('success log: token_found=True with service=analytics_service', async () => {
      await logged(system, 'token_found=True', 'service=analytics_service', '"status":200')
    })
  })

  await rollout.with({}, async (system) => {
    for (const [name, ask] of Object.entries({ workflows, authorization, anomalies })) {
      await t.test(`SPA path: ${name} is 200 JSON with the cookie alone`, async () => {
        await ask(visitor)
      })
    }
    await t.test('success log: bff_service_tokens_mapped names analytics_service', async () => {
      await system.signedIn('member')
      assert.match(await logged(system, 'bff_service_tokens_mapped'), /analytics_service/)
    })
  })
})

/** The V1 map stood where nothing of V2 did. */
const withoutV2Map: Edit = (text) =>
  replace(
    '  analytics_service: api.read\n',
    '',
  )(replace(`  analytics_service: ${ANALYTICS}\n`, '')(text))

async function noToken(system: System, visitor: Visitor): Promise<void> {
  const response = await visitor.fetch(PATHS.workflows)
  assert.equal(response.status, 401)
  const problem = await problemOf(response)
  assert.equal(problem.code, 'NO_TOKEN_AVAILABLE')
  assert.equal(problem.service, 'analytics_service')
  assert.equal(problem.correlation_id, response.headers.get('x-correlation-id'))
  await logged(
    system,
    'NO_TOKEN_AVAILABLE service=analytics_service',
    String(problem.correlation_id),
  )
  // Other services are as well as before: a broken link stops one route.
  assert.equal((await visitor.fetch('/api/crud/whoami')).status, 200)
}

/** The first line of the BFF's log since the start that holds all the fragments. */
function logged(system: System, ...fragments: string[]): Promise<string> {
  return until(`a log line with ${fragments.join(' and ')}`, () =>
    system
      .output()
      .split('\n')
      .find((line) => fragments.every((fragment) => line.includes(fragment))),
  )
}

/** One system that is stopped and started with changed files, as administrators roll out a change. */
async function startRollout(t: TestContext) {
  const data = temporaryDirectory(t)
  const portBase = await freePorts(4)
  return {
    origin: `http://localhost:${portBase}`,
    async with(edits: Parameters<typeof editConfig>[1], use: (system: System) => Promise<void>) {
      const config = copyConfig(t, edits)
      const system = await startSystem(t, { data, config, portBase })
      await use(system)
      assert.equal(await system.stop(), 0)
    },
  }
}
