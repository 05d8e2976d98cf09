import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openCard } from '@audience-bridge/bff/session/card.ts'
import { storeKeysFrom } from '@audience-bridge/bff/session/ticket.ts'
import { openSessionStore } from '@audience-bridge/bff/session-store.ts'
import { adminSessions, endedSessions, ownSessions } from '@audience-bridge/contracts/session.ts'
import { readSecret } from '@audience-bridge/kit/secret.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { captureLog } from '@audience-bridge/testkit/log.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'

const OWN = '/api/auth/sessions'
const ADMIN = '/admin/sessions'

test('sessions are listed and ended', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
  })
  const own = async (who: Visitor) => {
    const response = await who.fetch(OWN)
    assert.equal(response.headers.get('cache-control'), 'no-store')
    return ownSessions.parse(await response.json()).sessions
  }
  const idOf = async (who: Visitor) => {
    const current = (await own(who)).find((session) => session.current)
    return current?.id ?? ''
  }
  const isIn = async (who: Visitor) => (await who.session()).authenticated
  const del = async (who: Visitor, path: string, headers: Record<string, string> = {}) =>
    who.fetch(path, {
      method: 'DELETE',
      headers: { 'x-csrf-token': await who.csrfToken(), ...headers },
    })
  const asAdmin = (path: string, method = 'GET') =>
    fetch(gateway.bff + path, {
      method,
      headers: { authorization: `Bearer ${gateway.adminToken}` },
    })
  const listed = async (query = '') =>
    adminSessions.parse(await (await asAdmin(`${ADMIN}${query}`)).json())
  const isRevoked = async (token: string | undefined) => {
    const form = { grant_type: 'refresh_token', refresh_token: token ?? '' }
    return (await gateway.askIdp('token', form)).status === 400
  }

  await t.test('a user sees the own ones, and nobody else’s', async () => {
    const [here, there, other] = [
      await gateway.signedIn(),
      await gateway.signedIn(),
      await gateway.signedIn(USERS.admin),
    ]
    const sessions = await own(here)
    assert.deepEqual(
      sessions.map(({ id, current }) => [id, current]).sort(),
      [
        [await idOf(here), true],
        [await idOf(there), false],
      ].sort(),
    )
    assert.equal(sessions[0]?.agent, 'node')
    assert.ok(sessions.every(({ id }) => !here.cookie.includes(id)))
    assert.equal((await own(other)).length, 1)
    await assertProblem(await gateway.visitor().fetch(OWN), 'SESSION_REQUIRED')
  })

  await t.test('a user ends one of them: with the CSRF proof, and only an own one', async () => {
    const [here, there, other] = [
      await gateway.signedIn(),
      await gateway.signedIn(),
      await gateway.signedIn(USERS.admin),
    ]
    const path = `${OWN}/${await idOf(there)}`
    await assertProblem(await here.fetch(path, { method: 'DELETE' }), 'CSRF_REJECTED')
    await assertProblem(await del(here, path, { 'x-csrf-token': 'wrong' }), 'CSRF_REJECTED')
    await assertProblem(
      await del(here, path, { origin: 'https://evil.example' }),
      'ORIGIN_FORBIDDEN',
    )
    // Somebody else's is as unknown as what never was.
    for (const id of [await idOf(other), 'a'.repeat(64), 'x']) {
      const response = await del(here, `${OWN}/${id}`)
      assert.equal(response.status, 404, id)
    }
    assert.equal(await isIn(there), true)
    assert.equal(await isIn(other), true)
    const refreshToken = (await gateway.openSession(there))?.grant.refresh_token
    assert.equal((await del(here, path)).status, 204)
    assert.equal(await isIn(there), false)
    assert.equal(await isIn(here), true)
    await until('the revocation', () => isRevoked(refreshToken))
    assert.equal((await del(here, path)).status, 404)
  })

  await t.test('an administrator sees all of them, a page at a time', async () => {
    const all = await listed()
    assert.equal(all.count, all.sessions.length)
    assert.ok(all.sessions.some(({ sub }) => sub === 'user-ben'))
    const seen: string[] = []
    let after: string | undefined
    do {
      const page: Awaited<ReturnType<typeof listed>> = await listed(
        `?limit=2${after === undefined ? '' : `&after=${encodeURIComponent(after)}`}`,
      )
      assert.ok(page.sessions.length <= 2)
      seen.push(...page.sessions.map(({ id }) => id))
      after = page.next
    } while (after !== undefined)
    assert.deepEqual(seen.sort(), all.sessions.map(({ id }) => id).sort())
    const ben = all.sessions.filter(({ sub }) => sub === 'user-ben')
    assert.deepEqual((await listed('?user=user-ben')).sessions.length, ben.length)
    const sid = ben[0]?.sid ?? ''
    assert.deepEqual(
      (await listed(`?sid=${sid}`)).sessions.map(({ id }) => id),
      [ben[0]?.id],
    )
    assert.deepEqual(await listed('?user=nobody'), { sessions: [], count: 0 })
    for (const query of ['?limit=0', '?limit=501', '?user=', '?unknown=1']) {
      await assertProblem(await asAdmin(ADMIN + query), 'BAD_REQUEST')
    }
  })

  await t.test('an administrator ends one, or all of a user, and the grants', async () => {
    const [one, two, three] = [
      await gateway.signedIn(),
      await gateway.signedIn(),
      await gateway.signedIn(),
    ]
    const admin = await gateway.signedIn(USERS.admin)
    const tokens = await Promise.all(
      [one, two].map(async (who) => (await gateway.openSession(who))?.grant.refresh_token),
    )
    const path = `${ADMIN}/${await idOf(one)}`
    for (const who of [three, gateway.visitor()]) {
      assert.ok([401, 403].includes((await who.fetch(path, { method: 'DELETE' })).status))
    }
    await assertProblem(await admin.fetch(path, { method: 'DELETE' }), 'CSRF_REJECTED')
    assert.deepEqual(endedSessions.parse(await (await del(admin, path)).json()), { ended: 1 })
    assert.equal(await isIn(one), false)
    assert.equal(await isIn(two), true)
    assert.equal((await del(admin, path)).status, 404)
    const line = gateway.logs.findLast((log) => log.event === 'bff_session_ended')
    assert.deepEqual([line?.reason, line?.by, line?.subject], ['admin', 'user-ada', 'user-ben'])

    // A slip must not sign everybody out.
    for (const query of ['', '?', '?user=', '?all=1', '?user=user-ben&sid=x']) {
      await assertProblem(await asAdmin(ADMIN + query, 'DELETE'), 'BAD_REQUEST')
    }
    const gone = await asAdmin(`${ADMIN}?user=user-ben`, 'DELETE')
    assert.ok(endedSessions.parse(await gone.json()).ended >= 2)
    assert.equal(await isIn(two), false)
    assert.equal(await isIn(three), false)
    assert.equal(await isIn(admin), true)
    assert.equal((await listed('?user=user-ben')).count, 0)
    for (const token of tokens) await until('the revocation', () => isRevoked(token))
  })

  await t.test(
    'a thief of the store and its key reads who is signed in, and no token of use',
    async () => {
      const who = await gateway.signedIn(USERS.admin)
      assert.equal((await who.fetch('/api/v1/analytics/workflows')).status, 200)
      const opened = await gateway.openSession(who)
      assert.ok(opened && opened.tokens.size > 0)
      const { settings } = gateway.config().bridge
      const keys = storeKeysFrom([readSecret(settings.store.key)])
      const store = openSessionStore(settings.store, captureLog([]))
      t.after(() => store.close())
      const { sessions } = await store.listSessions('all', { limit: 500 })
      const cards = sessions.map((listed) => openCard(listed, keys)?.card)
      assert.ok(cards.some((card) => card?.refresh_token === opened.grant.refresh_token))
      const text = JSON.stringify(cards)
      const secrets = [opened.grant.access_token, opened.grant.id_token, who.cookie.split('=')[1]]
      for (const secret of [...secrets, ...[...opened.tokens.values()].map(({ token }) => token)]) {
        assert.ok(secret && secret.length > 40 && !text.includes(secret))
      }
      // And whoever has another key, or none, reads nothing.
      const other = storeKeysFrom(['x'.repeat(32)])
      assert.ok(sessions.every((listed) => openCard(listed, other) === undefined))
    },
  )

  await t.test('signing out everywhere', async (t) => {
    await t.test('ends all sessions of the user and their grants', async () => {
      const visitors = [
        await gateway.signedIn(),
        await gateway.signedIn(),
        await gateway.signedIn(),
      ]
      const [here] = visitors as [Visitor]
      const other = await gateway.signedIn(USERS.admin)
      const tokens = await Promise.all(
        visitors.map(async (who) => (await gateway.openSession(who))?.grant.refresh_token),
      )
      for (const headers of [{}, { 'x-csrf-token': 'wrong' }]) {
        const refused = await here.fetch('/auth/logout?everywhere=true', {
          method: 'POST',
          headers,
        })
        await assertProblem(refused, 'CSRF_REJECTED')
      }
      const headers = { 'x-csrf-token': await here.csrfToken(), accept: 'application/json' }
      const wrong = await here.fetch('/auth/logout?everywhere=yes', { method: 'POST', headers })
      await assertProblem(wrong, 'BAD_REQUEST')
      assert.equal((await own(here)).length, 3)

      const response = await here.fetch('/auth/logout?everywhere=true', { method: 'POST', headers })
      assert.equal(response.status, 200)
      const { logout_url: url } = (await response.json()) as { logout_url: string }
      assert.equal(new URL(url).origin, gateway.idp)
      for (const who of visitors) assert.equal(await isIn(who), false)
      assert.equal(await isIn(other), true)
      for (const token of tokens) await until('the revocation', () => isRevoked(token))
      const reasons = gateway.logs
        .filter((log) => log.event === 'bff_session_ended')
        .slice(-2)
        .map((log) => log.reason)
      assert.deepEqual(reasons, ['everywhere', 'everywhere'])
    })

    await t.test('is a second button of the page', async () => {
      const [here, there] = [await gateway.signedIn(), await gateway.signedIn()]
      const page = await (await here.fetch('/auth/logout')).text()
      const values = [...page.matchAll(/<button name="everywhere" value="(\w+)">/g)]
      assert.deepEqual(
        values.map(([, value]) => value),
        ['false', 'true'],
      )
      const form = { csrf_token: await here.csrfToken(), everywhere: 'true' }
      const response = await here.fetch('/auth/logout', {
        method: 'POST',
        body: new URLSearchParams(form),
      })
      assert.equal(response.status, 303)
      assert.equal(await isIn(there), false)
    })

    await t.test(
      'ends them even while the IdP is away, and counts what it could not revoke',
      async () => {
        const [here, there] = [await gateway.signedIn(), await gateway.signedIn()]
        const csrf = await here.csrfToken()
        await gateway.stopIdp()
        const response = await here.fetch('/auth/logout?everywhere=true', {
          method: 'POST',
          headers: { 'x-csrf-token': csrf, accept: 'application/json' },
        })
        assert.equal(response.status, 200)
        assert.equal(await isIn(here), false)
        assert.equal(await isIn(there), false)
        await until('the count', async () => {
          const text = await (await asAdmin('/metrics')).text()
          return /bff_grant_revocations_total\{status="unavailable"\} 2/.test(text)
        })
        await gateway.startIdp()
      },
    )
  })
})
