import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adminSessions } from '@audience-bridge/contracts/session.ts'
import { inOrder } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { EventReader } from '@audience-bridge/testkit/event-stream.ts'
import { type AppProcess, startNodes } from '@audience-bridge/testkit/nodes.ts'
import { startRedis, withRedis } from '@audience-bridge/testkit/redis.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'

/** What the issue asks for: within a second on all nodes. */
const SOON_MS = 1_000

test('what one node ends is over on the others within a second', async (t) => {
  const redis = await startRedis(t)
  const echo = await startEcho(t)
  const nodes = await startNodes(t, {
    count: 2,
    edits: {
      'BFF/config/settings.yaml': inOrder(withRedis(redis, redis.directory), (text) =>
        text.replace(/events:\n(?: .*\n)+/, ''),
      ),
      'BFF/config/routes.yaml': (text) =>
        text.replaceAll(/base_url: .*/g, `base_url: ${echo.origin}`),
    },
  })
  const [a, b] = nodes.bffs as [AppProcess, AppProcess]
  const listen = async (node: AppProcess, who: Visitor) => {
    const events = new EventReader(await nodes.call(node, who, '/api/auth/events'))
    await events.next('session')
    return events
  }
  const authenticated = async (node: AppProcess, who: Visitor) => {
    const answer = await nodes.call(node, who, '/api/auth/session')
    return ((await answer.json()) as { authenticated: boolean }).authenticated
  }
  const csrf = async (who: Visitor) => {
    const answer = await nodes.call(a, who, '/api/auth/session')
    return ((await answer.json()) as { csrf_token: string }).csrf_token
  }
  const asAdmin = (path: string, method = 'GET') =>
    fetch(new URL(path, a.origin), {
      method,
      headers: { authorization: `Bearer ${nodes.adminToken}` },
    })

  await t.test('signed out everywhere', async () => {
    const visitors = [await nodes.signedIn(), await nodes.signedIn()]
    const [here] = visitors as [Visitor]
    const streams = await Promise.all(visitors.map((who) => listen(b, who)))
    const headers = { 'x-csrf-token': await csrf(here), accept: 'application/json' }
    const began = performance.now()
    const answer = nodes.call(a, here, '/auth/logout?everywhere=true', { method: 'POST', headers })
    const reasons = await Promise.all(streams.map((events) => events.next('ended')))
    const took = performance.now() - began
    assert.deepEqual(reasons, [{ reason: 'logout' }, { reason: 'everywhere' }])
    assert.ok(took < SOON_MS, `${took} ms`)
    assert.equal((await answer).status, 200)
    for (const who of visitors) assert.equal(await authenticated(b, who), false)
  })

  await t.test('ended by an administrator', async () => {
    const who = await nodes.signedIn()
    const admin = await nodes.signedIn(USERS.admin)
    const events = await listen(b, who)
    const listed = adminSessions.parse(await (await asAdmin('/admin/sessions')).json())
    assert.deepEqual(listed.sessions.map(({ sub }) => sub).sort(), ['user-ada', 'user-ben'])
    const began = performance.now()
    const ended = await asAdmin('/admin/sessions?user=user-ben', 'DELETE')
    assert.deepEqual(await events.next('ended'), { reason: 'admin' })
    assert.ok(performance.now() - began < SOON_MS)
    assert.deepEqual(await ended.json(), { ended: 1 })
    assert.equal(await authenticated(b, who), false)
    assert.equal(await authenticated(b, admin), true)
  })

  await t.test('ended at the IdP', async () => {
    const who = await nodes.signedIn()
    const events = await listen(b, who)
    const { sessions } = adminSessions.parse(
      await (await asAdmin('/admin/sessions?user=user-ben')).json(),
    )
    const { sid = '', issuer = '' } = sessions[0] ?? {}
    const query = new URLSearchParams({ iss: issuer, sid })
    const began = performance.now()
    await fetch(new URL(`/auth/frontchannel-logout?${query}`, a.origin))
    assert.deepEqual(await events.next('ended'), { reason: 'idp_logout' })
    assert.ok(performance.now() - began < SOON_MS)
    assert.equal(await authenticated(b, who), false)
  })

  await t.test(
    'a node that stops sends its listeners to another one, and waits for none',
    async () => {
      const who = await nodes.signedIn()
      const events = await listen(b, who)
      const began = performance.now()
      const exit = b.stop('SIGTERM')
      await events.next('reconnect')
      assert.equal(await exit, 0)
      assert.ok(performance.now() - began < 5_000)
      await listen(a, who)
    },
  )
})
