import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Edits, inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { type Gateway, startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'

const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'
const PATH = '/api/v1/analytics/workflows'

/** One broken link each; every other link holds. */
const BROKEN: { what: string; edits: Edits; link: string; file: string; mend: RegExp }[] = [
  {
    what: 'the service is not in the map',
    edits: {
      'BFF/config/settings.yaml': replace(`  analytics_service: ${ANALYTICS}\n`, ''),
    },
    link: 'service_audience_missing',
    file: 'BFF/config/settings.yaml',
    mend: /analytics_service/,
  },
  {
    what: "the IdP's client may not ask for the audience",
    edits: { 'IdP/config/clients.yaml': replace(`    - ${ANALYTICS}\n`, '') },
    link: 'audience_not_allowed',
    file: 'IdP/config/clients.yaml',
    mend: /bff-server\.allowed_audiences/,
  },
  {
    what: 'no scope is mapped to the audience',
    edits: { 'IdP/config/settings.yaml': (text) => text.replaceAll(ANALYTICS, 'https://other') },
    link: 'audience_unmapped',
    file: 'IdP/config/settings.yaml',
    mend: /add/,
  },
  {
    what: 'the two audiences differ by a slash',
    edits: {
      'BFF/config/settings.yaml': replace(
        `analytics_service: ${ANALYTICS}`,
        `analytics_service: ${ANALYTICS}/`,
      ),
    },
    link: 'audience_differs',
    file: 'BFF/config/settings.yaml',
    mend: /set service_audiences\.analytics_service to/,
  },
  {
    what: 'the login asks for no scope that leads there',
    edits: {
      'BFF/config/settings.yaml': replace(
        'application.all offline',
        'crud.read crud.write offline',
      ),
      'IdP/config/clients.yaml': replace('application.all]', 'crud.read, crud.write]'),
    },
    link: 'login_scope_missing',
    file: 'BFF/config/settings.yaml',
    mend: /auth\.oauth_scopes/,
  },
  {
    what: 'the scope of the service leads elsewhere',
    edits: {
      'BFF/config/settings.yaml': replace(
        'analytics_service: api.read',
        'analytics_service: crud.read',
      ),
    },
    link: 'service_scope_astray',
    file: 'BFF/config/settings.yaml',
    mend: /service_scopes\.analytics_service/,
  },
  {
    what: 'the scope of the service is unknown to the IdP',
    edits: {
      'BFF/config/settings.yaml': replace(
        'analytics_service: api.read',
        'analytics_service: api.everything',
      ),
    },
    link: 'service_scope_astray',
    file: 'BFF/config/settings.yaml',
    mend: /service_scopes\.analytics_service/,
  },
]

interface Link {
  code: string
  found: string
  expected: string
  mend: string
  at?: { file: string; line: number; column: number }
}

for (const { what, edits, link, file, mend } of BROKEN) {
  test(`NO_TOKEN_AVAILABLE when ${what}, and every other route works`, async (t) => {
    const echo = await startEcho(t)
    const gateway = await startGateway(t, {
      upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
      edits,
    })
    const member = await gateway.signedIn()
    const problem = await assertProblem(await member.fetch(PATH), 'NO_TOKEN_AVAILABLE')
    assert.equal(problem.service, 'analytics_service')
    assert.ok(!('broken_link' in problem) && !('explanation' in problem), 'members are not told')
    assertLogged(gateway, String(problem.correlation_id))

    const admin = await gateway.signedIn(USERS.admin)
    const told = await assertProblem(await admin.fetch(PATH), 'NO_TOKEN_AVAILABLE')
    const broken = told.broken_link as Link
    assert.equal(broken.code, link, JSON.stringify(broken))
    assert.equal(broken.at?.file, file)
    assert.ok((broken.at?.line ?? 0) > 0 && (broken.at?.column ?? 0) > 0)
    assert.match(broken.mend, mend)

    assert.deepEqual(echo.arrivals, [], 'nothing reached the backend')
    assert.equal((await member.fetch('/api/crud/projects')).status, 200)
    assert.equal((await member.session()).authenticated, true)
  })
}

test("NO_TOKEN_AVAILABLE tells an administrator the IdP's words where its files cannot be read", async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin },
    withoutIdpFiles: true,
    edits: { 'IdP/config/clients.yaml': replace(`    - ${ANALYTICS}\n`, '') },
  })
  const admin = await gateway.signedIn(USERS.admin)
  const problem = await assertProblem(await admin.fetch(PATH), 'NO_TOKEN_AVAILABLE')
  const broken = problem.broken_link as Link
  assert.match(JSON.stringify(broken), /allowed_audiences/)
  assert.equal(broken.at, undefined, 'no line is named in a file that was not read')
})

test('a config change needs no sign-out: the next call mints under the new one', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
    edits: { 'BFF/config/settings.yaml': replace(`  analytics_service: ${ANALYTICS}\n`, '') },
  })
  const member = await gateway.signedIn()
  await assertProblem(await member.fetch(PATH), 'NO_TOKEN_AVAILABLE')
  await gateway.restartBff({
    'BFF/config/settings.yaml': replace(
      'service_audiences:\n',
      `service_audiences:\n  analytics_service: ${ANALYTICS}\n`,
    ),
  })
  assert.equal((await member.fetch(PATH)).status, 200)
  assert.equal(echo.arrivals.at(-1)?.claims?.aud, ANALYTICS)
  assert.equal(echo.arrivals.at(-1)?.claims?.scope, 'api.read')

  // Another scope for the same audience is another token, although the kept one is still alive.
  await gateway.restartBff({
    'BFF/config/settings.yaml': replace(
      'analytics_service: api.read',
      'analytics_service: application.all',
    ),
  })
  assert.equal((await member.fetch(PATH)).status, 200)
  assert.equal(echo.arrivals.at(-1)?.claims?.scope, 'application.all')

  // And another audience is another token: the kept one never goes there.
  await gateway.restartBff({
    'BFF/config/settings.yaml': inOrder(
      replace(`analytics_service: ${ANALYTICS}`, 'analytics_service: empowernow'),
    ),
  })
  assert.equal((await member.fetch(PATH)).status, 200)
  assert.equal(echo.arrivals.at(-1)?.claims?.aud, 'empowernow')
})

/** The failure log of the brief, and an access line that says the same. */
function assertLogged({ logs }: Gateway, correlationId: string): void {
  const mine = logs.filter((line) => line.correlation_id === correlationId)
  const failure = mine.find(
    ({ message }) => message === 'NO_TOKEN_AVAILABLE service=analytics_service',
  )
  assert.equal(failure?.level, 'warn')
  assert.equal(failure?.service, 'analytics_service')
  const access = mine.find(({ status }) => status === 401)
  assert.match(String(access?.message), /token_found=False service=analytics_service/)
}
