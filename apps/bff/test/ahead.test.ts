import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renewalTime } from '@audience-bridge/bff/tokens/ahead.ts'
import { freezeTime } from '@audience-bridge/testkit/time.ts'
import { problemOf } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { ANALYTICS, issued, lazily, PATHS, startMinting } from './minting.ts'

test('a token is replaced ahead of its end, spread, and never in the first half of its life', () => {
  const times = Array.from({ length: 500 }, () => renewalTime(1_000, 1_600, 300))
  assert.ok(times.every((at) => at >= 1_300 && at <= 1_360))
  assert.ok(new Set(times.map(Math.floor)).size > 30, 'sessions of one moment do not come together')
  assert.ok(renewalTime(1_000, 1_060, 300) >= 1_030, 'a short life')
  assert.equal(renewalTime(1_000, 1_600, 0), 1_600, 'switched off')
})

test('whoever is working never waits for a refresh', async (t) => {
  const time = freezeTime(t)
  const { echo, gateway } = await startMinting(t, lazily)
  const who = await gateway.signedIn()
  const tokenNow = async () => {
    assert.equal((await who.fetch(PATHS.analytics)).status, 200)
    return echo.arrivals.at(-1)?.claims?.jti
  }
  const first = await tokenNow()
  time.pass(250)
  assert.equal(await tokenNow(), first)
  time.pass(120)
  // Nobody calls: the new token is there before the next call.
  await until('the renewal', () => issued(gateway, ANALYTICS).length === 2)
  const second = await until('the new token', async () => {
    const jti = await tokenNow()
    return jti === first ? undefined : jti
  })
  assert.notEqual(second, first)
  const metrics = await gateway.visitor().fetch('/metrics', {
    headers: { authorization: `Bearer ${gateway.adminToken}` },
  })
  assert.match(
    await metrics.text(),
    /bff_audience_tokens_total\{service="analytics_service",source="minted"\} 1\n/,
    'one call waited for a mint: the first',
  )
})

test('a session that nobody uses is not kept warm', async (t) => {
  const time = freezeTime(t)
  const { gateway } = await startMinting(t, lazily)
  const [idle, busy] = [await gateway.signedIn(), await gateway.signedIn()]
  for (const who of [idle, busy]) assert.equal((await who.fetch(PATHS.analytics)).status, 200)
  time.pass(400)
  await until('both renewals', () => issued(gateway, ANALYTICS).length === 4)
  assert.equal((await busy.fetch(PATHS.analytics)).status, 200)
  time.pass(400)
  await until('one renewal', () => issued(gateway, ANALYTICS).length === 5)
  // The other one would have come by now: both were due, and are looked at in one go.
  time.pass(100)
  assert.equal((await busy.fetch(PATHS.analytics)).status, 200)
  assert.equal(issued(gateway, ANALYTICS).length, 5)
})

test('a grant that the IdP has ended ends the session, though nobody calls', async (t) => {
  const time = freezeTime(t)
  const { gateway } = await startMinting(t, lazily)
  const who = await gateway.signedIn()
  assert.equal((await who.fetch(PATHS.analytics)).status, 200)
  const { grant } = (await gateway.openSession(who)) ?? {}
  await gateway.revoke(grant?.refresh_token ?? '')
  time.pass(400)
  await until('the end', async () => (await gateway.openSession(who)) === undefined)
  // No sliding on with what is left of the old token.
  const response = await who.fetch(PATHS.analytics)
  assert.equal((await problemOf(response)).code, 'SESSION_EXPIRED')
})
