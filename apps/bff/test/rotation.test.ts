import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { EventReader } from '@audience-bridge/testkit/event-stream.ts'
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

test('a session whose user is given another role gets a new id, and the old one opens nothing', async (t) => {
  const time = freezeTime(t)
  const { gateway } = await startMinting(t, lazily)
  const who = await gateway.signedIn()
  assert.equal((await who.fetch(PATHS.analytics)).status, 200)
  const stolen = who.cookie
  const before = await who.session()
  assert.ok(before.authenticated)
  assert.deepEqual(before.user.roles, ['member'])

  const events = new EventReader(await who.fetch('/api/auth/events'))

  giveRole(gateway, 'admin')
  await gateway.restartIdp()
  // The refresh tells: the login's own token has ended.
  time.pass(700)
  const call = await who.fetch(PATHS.analytics)
  assert.equal(call.status, 200)
  const after = await who.session()
  assert.ok(after.authenticated)
  assert.deepEqual(after.user.roles, ['admin'])
  assert.notEqual(who.cookie, stolen)
  assert.notEqual(after.csrf_token, before.csrf_token)
  assert.equal(after.expires_at, before.expires_at, 'the hard limit stays')

  // A page that listens is told to come again, not that its session has ended.
  await events.next('reconnect')
  await events.ended
  assert.ok(events.events.every(({ name }) => name !== 'ended'))
  const again = new EventReader(await who.fetch('/api/auth/events'))
  assert.deepEqual((await again.next('session')).user, after.user)

  // Calls under way still end well; ten seconds later the old id is worthless.
  const replay = () => gateway.visitor().fetch(PATHS.analytics, { headers: { cookie: stolen } })
  assert.equal((await replay()).status, 200)
  time.pass(11)
  await assertProblem(await replay(), 'SESSION_EXPIRED')
  assert.equal((await who.fetch(PATHS.analytics)).status, 200)
})
