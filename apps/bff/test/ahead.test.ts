import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServiceToken, Session } from '@audience-bridge/bff/session/session.ts'
import { renewAhead, renewalTime } from '@audience-bridge/bff/tokens/ahead.ts'
import { captureLog } from '@audience-bridge/testkit/log.ts'
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

test('all that is due is renewed in one go, eight at a time, the first to end first', async (t) => {
  const sessions = [7, 1, 2].flatMap((count, group) =>
    Array.from({ length: count }, (_, i) => {
      const expiresAt = 1_600 + group * 100 + i
      const token = { service: 'crud', mintedAt: 1_000, renewAt: 1_300, expiresAt }
      return { ended: false, seenAt: 1_300, tokens: new Map([['crud', token]]) }
    }),
  ) as unknown as Session[]
  const renewed: ServiceToken[] = []
  let [running, most] = [0, 0]
  const ahead = renewAhead({
    sessions: { cached: () => sessions.values() as IterableIterator<Session> },
    clock: () => 1_400,
    log: captureLog([]),
    renew: async (session, service, token) => {
      most = Math.max(most, ++running)
      await new Promise(setImmediate)
      running--
      renewed.push(token)
      session.tokens.delete(service)
      return 'token'
    },
  })
  t.after(() => ahead.stop())
  // Before the second look could have begun: none of them waits for it.
  await until('all', () => renewed.length > 0 && running === 0, 3_500)
  assert.equal(renewed.length, sessions.length)
  assert.equal(most, 8)
  const ends = renewed.slice(0, 8).map(({ expiresAt }) => expiresAt)
  assert.deepEqual(ends, [1_600, 1_601, 1_602, 1_603, 1_604, 1_605, 1_606, 1_700])
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
