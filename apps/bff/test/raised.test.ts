import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Gateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { freezeTime } from '@audience-bridge/testkit/time.ts'
import { lazily, PATHS, startMinting } from './minting.ts'

/** Gives the test's member other roles at the IdP, which follows its file. */
function giveRole(gateway: Gateway, role: string): void {
  const path = join(gateway.dataDirectory, 'idp/users.yaml')
  const text = readFileSync(path, 'utf8')
  const changed = text.replace(/(username: ben[\s\S]*?roles:\s*\n\s*- )\w+/, `$1${role}`)
  assert.notEqual(changed, text)
  writeFileSync(path, changed)
}

async function explained(gateway: Gateway, id: string): Promise<{ code?: string }> {
  const response = await gateway.visitor().fetch(`/admin/explain/${id}`, {
    headers: { authorization: `Bearer ${gateway.adminToken}` },
  })
  return ((await response.json()) as { broken: { code?: string } }).broken
}

test('more roles need a new session: the old id neither has them nor opens anything', async (t) => {
  const time = freezeTime(t)
  const { echo, gateway } = await startMinting(t, lazily)
  const who = await gateway.signedIn()
  assert.equal((await who.fetch(PATHS.analytics)).status, 200)
  const stolen = who.cookie
  giveRole(gateway, 'admin')
  await gateway.restartIdp()
  // The refresh tells: the login's own token has ended.
  time.pass(700)
  echo.arrivals.length = 0
  const problem = await assertProblem(await who.fetch(PATHS.analytics), 'REAUTHORIZATION_REQUIRED')
  assert.deepEqual(echo.arrivals, [], 'a token with the new role goes nowhere')
  const { code } = await explained(gateway, String(problem.correlation_id))
  assert.equal(code, 'session_older_than_roles')
  const before = await who.session()
  assert.ok(before.authenticated)
  assert.deepEqual(before.user.roles, [], 'the new role waits, the old one is gone')
  await assertProblem(await who.fetch('/admin/chains'), 'ADMIN_REQUIRED')

  // Nobody types a password: the IdP knows the browser, and not whoever has its cookie here alone.
  const home = new URL('/', gateway.bff).href
  const landed = await who.follow(
    await who.fetch(String(problem.login_url)),
    ({ href }) => href === home,
  )
  assert.equal(new URL(landed.url).pathname, '/auth/callback')
  const after = await who.session()
  assert.ok(after.authenticated)
  assert.deepEqual(after.user.roles, ['admin'])
  assert.equal((await who.fetch(PATHS.analytics)).status, 200)
  assert.equal((await who.fetch('/admin/chains')).status, 200)
  assert.notEqual(who.cookie, stolen)
  const replay = await gateway.visitor().fetch(PATHS.analytics, { headers: { cookie: stolen } })
  await assertProblem(replay, 'SESSION_EXPIRED')
})
