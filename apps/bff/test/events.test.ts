import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { sessionEvents } from '@audience-bridge/contracts/session.ts'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { EventReader } from '@audience-bridge/testkit/event-stream.ts'
import { type Gateway, startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { freezeTime } from '@audience-bridge/testkit/time.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { lazily } from './minting.ts'

const EVENTS = '/api/auth/events'
const PATH = '/api/v1/analytics/workflows'
const SETTINGS = 'BFF/config/settings.yaml'
const SPA = 'https://spa.example'

async function start(t: TestContext) {
  const time = freezeTime(t)
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
    edits: {
      [SETTINGS]: inOrder((text) => `${text}\ncors:\n  allow_origins: [${SPA}]\n`, lazily),
    },
  })
  return { time, gateway }
}

async function listen(who: Visitor, headers: Record<string, string> = {}): Promise<EventReader> {
  const response = await who.fetch(EVENTS, { headers })
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'text/event-stream')
  assert.equal(response.headers.get('cache-control'), 'no-store')
  return new EventReader(response)
}

const seconds = (text: unknown) => Date.parse(String(text)) / 1000

test('a page is told of its session', async (t) => {
  const { time, gateway } = await start(t)
  const { idle_seconds: idle } = gateway.config().bridge.settings.session

  await t.test('on connecting, as the session’s own endpoint tells it', async () => {
    const who = await gateway.signedIn()
    const events = await listen(who)
    const body = sessionEvents.session.parse(await events.next('session'))
    assert.deepEqual(body, await who.session())
    assert.deepEqual(body.ends, { at: body.idle_expires_at, by: 'idle' })
  })

  await t.test('which services it may use, as they change', async () => {
    const who = await gateway.signedIn()
    const events = await listen(who)
    assert.deepEqual((await events.next('session')).services, [])
    assert.equal((await who.fetch(PATH)).status, 200)
    const first = sessionEvents.services.parse(await events.next('services'))
    assert.deepEqual(first.services, ['analytics_service'])
    gateway.reconfigure({
      [SETTINGS]: replace(
        'analytics_service: api.read',
        'analytics_service: [api.read, api.write]',
      ),
    })
    const next = sessionEvents.services.parse(await events.next('services'))
    assert.deepEqual(next.services, [], 'the kept token is not what is asked for now')
    assert.notEqual(next.config_version, first.config_version)
  })

  await t.test('that it is about to end, again when that has moved, and that it has', async () => {
    const who = await gateway.signedIn()
    const signedInAt = time.now()
    const events = await listen(who)
    await events.next('session')
    time.pass(idle - 299)
    const soon = sessionEvents.expiring.parse(await events.next('expiring'))
    assert.equal(soon.ends.by, 'idle')
    assert.equal(seconds(soon.ends.at), signedInAt + idle)
    assert.equal(soon.seconds, 299)
    // A call is activity: the end has moved, and the page is told.
    const call = await who.fetch(PATH)
    assert.equal(call.status, 200, await call.text())
    const renewed = await events.next('session')
    assert.equal(seconds(renewed.idle_expires_at), time.now() + idle)
    time.pass(idle - 10)
    assert.equal((await events.next('expiring')).seconds, 10)
    // Listening is no activity.
    time.pass(10)
    assert.deepEqual(await events.next('ended'), { reason: 'idle' })
    await events.ended
    await assertProblem(await who.fetch(EVENTS), 'SESSION_EXPIRED')
  })

  await t.test('that the limit after the login ends it, whatever the activity', async () => {
    const who = await gateway.signedIn()
    const events = await listen(who)
    for (let passed = 0; passed < 28_800 - 1_200; passed += 1_200) {
      time.pass(1_200)
      assert.equal((await who.fetch('/api/auth/sessions')).status, 200)
      assert.equal((await who.fetch(PATH)).status, 200)
    }
    time.pass(1_000)
    const soon = sessionEvents.expiring.parse(await events.next('expiring'))
    assert.deepEqual([soon.ends.by, soon.seconds], ['absolute', 200])
    time.pass(200)
    assert.deepEqual(await events.next('ended'), { reason: 'absolute' })
  })
})

test('a page is told why its session ended', async (t) => {
  const { gateway } = await start(t)
  const ways: [reason: string, end: (who: Visitor, gateway: Gateway) => Promise<unknown>][] = [
    ['logout', (who) => who.signOut()],
    [
      'login',
      (who) =>
        who
          .fetch('/auth/login?return_to=/')
          .then((begun) => who.follow(begun, ({ pathname }) => pathname === '/')),
    ],
    [
      'everywhere',
      async () => {
        const other = await gateway.signedIn()
        const headers = { 'x-csrf-token': await other.csrfToken(), accept: 'application/json' }
        return other.fetch('/auth/logout?everywhere=true', { method: 'POST', headers })
      },
    ],
    [
      'admin',
      () =>
        fetch(`${gateway.bff}/admin/sessions?user=user-ben`, {
          method: 'DELETE',
          headers: { authorization: `Bearer ${gateway.adminToken}` },
        }),
    ],
    [
      'idp_logout',
      async (who) => {
        const { sid = '', issuer } = (await gateway.openSession(who)) ?? {}
        const query = new URLSearchParams({ iss: issuer ?? '', sid })
        return fetch(`${gateway.bff}/auth/frontchannel-logout?${query}`)
      },
    ],
    [
      'grant_ended',
      async (who) => {
        const opened = await gateway.openSession(who)
        await gateway.revoke(opened?.grant.refresh_token ?? '')
        return who.fetch(PATH)
      },
    ],
  ]
  for (const [reason, end] of ways) {
    await t.test(reason, async () => {
      const who = await gateway.signedIn()
      const pages = await Promise.all([listen(who), listen(who)])
      const began = performance.now()
      await end(who, gateway)
      for (const events of pages) {
        assert.deepEqual(await events.next('ended'), { reason })
        await events.ended
      }
      assert.ok(performance.now() - began < 5_000)
    })
  }
})

test('who may listen', async (t) => {
  const { gateway } = await start(t)
  await t.test('nobody without a session, and no other site', async () => {
    await assertProblem(await gateway.visitor().fetch(EVENTS), 'SESSION_REQUIRED')
    const who = await gateway.signedIn()
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
    ] as Record<string, string>[]) {
      await assertProblem(await who.fetch(EVENTS, { headers }), 'ORIGIN_FORBIDDEN')
    }
  })

  await t.test('a page of an allowed origin, which may read it', async () => {
    const who = await gateway.signedIn()
    const response = await who.fetch(EVENTS, { headers: { origin: SPA } })
    assert.equal(response.headers.get('access-control-allow-origin'), SPA)
    assert.equal(response.headers.get('access-control-allow-credentials'), 'true')
  })

  await t.test('a few pages at once; one that leaves makes room', async () => {
    const who = await gateway.signedIn()
    const pages = Array.from({ length: 8 }, () => new AbortController())
    const open = ({ signal }: AbortController) =>
      fetch(gateway.bff + EVENTS, { signal, headers: { cookie: who.cookie } })
    const answers = await Promise.all(pages.map(open))
    assert.ok(answers.every(({ status }) => status === 200))
    const refused = await who.fetch(EVENTS)
    assert.ok(refused.headers.get('retry-after'))
    await assertProblem(refused, 'OVERLOADED')
    pages[0]?.abort()
    const late = new AbortController()
    await until('the room', async () => (await open(late)).status === 200)
    for (const page of [...pages, late]) page.abort()
  })
})
