import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import { problemOf } from '@audience-bridge/testkit/visitor.ts'

interface Explained {
  text: string
  broken: { code: string }
}

const PATHS = [
  '/admin/chains',
  '/admin/config',
  '/admin/routes',
  '/admin/requests',
  '/admin/failures',
  '/admin/backends',
  '/admin/explain/some-request',
  '/metrics',
]

test("the administrators' API", async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, { upstreams: { crud_service: echo.origin } })
  const member = await gateway.signedIn()
  const admin = await gateway.signedIn(USERS.admin)
  const byToken = (path: string, token = gateway.adminToken, init: RequestInit = {}) =>
    fetch(gateway.bff + path, { ...init, headers: { authorization: `Bearer ${token}` } })

  for (const path of PATHS) {
    await t.test(`${path} is closed to everybody else`, async () => {
      // The attack: a spelling that a guard by prefix does not know and a router decodes.
      for (const spelling of [path, path.replace('a', '%61'), path.replace('m', '%6D')]) {
        const anonymous = await fetch(gateway.bff + spelling)
        assert.equal(anonymous.status, 401, spelling)
        assert.equal((await member.fetch(spelling)).status, 403, spelling)
        assert.equal((await byToken(spelling, 'another-token')).status, 401, spelling)
      }
    })
    await t.test(`${path} answers an administrator and the token`, async () => {
      const wanted = path.includes('explain') ? 404 : 200
      assert.equal((await admin.fetch(path)).status, wanted)
      assert.equal((await byToken(path)).status, wanted)
    })
  }

  await t.test('a change needs the CSRF proof under a session', async () => {
    const refused = await admin.fetch('/admin/reload', { method: 'POST' })
    assert.equal(refused.status, 403)
  })

  await t.test('explains a failed request to administrators, in the problem too', async () => {
    const broken = await startGateway(t, {
      upstreams: { crud_service: echo.origin },
      edits: {
        'BFF/config/settings.yaml': replace(
          'crud_service: crud.read crud.write',
          'crud_service: api.read',
        ),
      },
    })
    const [ben, ada] = [await broken.signedIn(), await broken.signedIn(USERS.admin)]
    const told = await problemOf(await ben.fetch('/api/crud/projects'))
    assert.equal(told.code, 'NO_TOKEN_AVAILABLE')
    assert.equal(told.explanation, undefined, 'a member is told nothing of the inside')
    assert.equal(told.broken_link, undefined)

    const problem = await problemOf(await ada.fetch('/api/crud/projects'))
    assert.equal((problem.broken_link as { code: string }).code, 'service_scope_astray')
    const explained = (await (
      await ada.fetch(`/admin/explain/${told.correlation_id}`)
    ).json()) as Explained
    assert.equal(explained.broken.code, 'service_scope_astray')
    assert.ok(explained.text.includes('BROKEN service_scopes'))
    assert.ok(String(problem.explanation).includes('BROKEN service_scopes'))
  })

  await t.test('counts failures without a session instead of keeping each', async () => {
    for (let i = 0; i < 50; i++) await fetch(`${gateway.bff}/api/crud/${i}`)
    const { failures } = (await (await byToken('/admin/failures')).json()) as {
      failures: { problem: string; route: string; count: number; last_id: string }[]
    }
    const row = failures.find(
      (one: { problem: string; route: string }) =>
        one.problem === 'SESSION_REQUIRED' && one.route === 'api-crud',
    )
    assert.ok(row !== undefined && row.count >= 50)
    const explained = (await (await byToken(`/admin/explain/${row.last_id}`)).json()) as Explained
    assert.equal(explained.broken.code, 'session_missing')
  })

  await t.test('metrics count by route, code and audience, and name no user', async () => {
    await member.fetch('/api/crud/projects')
    const text = await (await byToken('/metrics')).text()
    assert.match(
      text,
      /^http_requests_total\{method="GET",endpoint="api-crud",status="200"\} [1-9]/m,
    )
    assert.match(
      text,
      /^bff_problems_total\{code="SESSION_REQUIRED",service="crud_service"\} [1-9]/m,
    )
    assert.match(
      text,
      /^bff_audience_tokens_total\{service="crud_service",source="(kept|minted)"\} [1-9]/m,
    )
    assert.match(
      text,
      /^bff_token_exchange_total\{service="crud_service",grant_type="token_exchange",status="success"\} [1-9]/m,
    )
    assert.match(text, /^bff_sessions_created_total 2$/m)
    assert.match(text, /^bff_config_refused 0$/m)
    assert.ok(!text.includes('user-ben'))
  })
})
