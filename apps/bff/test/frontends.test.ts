import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { inOrder } from '@audience-bridge/testkit/config-copy.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { type RawAnswer, rawRequest } from '@audience-bridge/testkit/raw.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { EDITS, type FrontendsWorld, startFrontends } from './frontends-world.ts'

const PATH = '/api/v1/analytics/x'

type Head = [name: string, value: string][]

/** A request with a `Host` of the test's choice, to where the BFF listens. */
function call(world: FrontendsWorld, host: string, path: string, head: Head = [], method = 'GET') {
  const { port } = new URL(world.gateway.bff)
  const target = { origin: `http://127.0.0.1:${port}`, host }
  return rawCall(target, method, path, head)
}

function rawCall(
  { origin, host }: { origin: string; host: string },
  method: string,
  path: string,
  head: Head,
): Promise<RawAnswer> {
  return rawRequest(origin, method, path, head, '', host)
}

const hostOf = (origin: string) => new URL(origin).host

test('each frontend has a login and sessions of its own', async (t) => {
  const world = await startFrontends(t)
  const { gateway, partner, echo, origins } = world

  await t.test('which begins with its own callback, scopes and IdP', async () => {
    const begun = await gateway.visitor(origins.desk).fetch('/auth/login')
    const there = new URL(begun.headers.get('location') ?? '')
    assert.equal(there.origin, gateway.idp)
    const shop = await gateway.visitor(origins.shop).fetch('/auth/login')
    assert.equal(new URL(shop.headers.get('location') ?? '').origin, new URL(partner.issuer).origin)
    const [cookie = ''] = shop.headers.getSetCookie()
    assert.match(cookie, /^__Host-bff_login_shop_/)
  })

  const first = await gateway.signedIn(USERS.member)
  const desk = await gateway.signedIn(USERS.member, origins.desk)
  const shop = await gateway.signedIn(USERS.member, origins.shop)

  await t.test('and is kept with its frontend and its IdP', async () => {
    const of = async (who: Visitor) => {
      const opened = await gateway.openSession(who)
      return [opened?.frontend, opened?.issuer, opened?.requested.scopes.includes('email')]
    }
    const own = `${gateway.idp}/api/oidc`
    assert.deepEqual(await of(first), ['default', own, true])
    assert.deepEqual(await of(desk), ['desk', own, false])
    assert.deepEqual(await of(shop), ['shop', partner.issuer, true])
  })

  await t.test('and calls backends with tokens of its own IdP', async () => {
    const issuers = async (who: Visitor) => {
      echo.arrivals.length = 0
      const answer = await who.fetch(PATH)
      assert.equal(answer.status, 200, await answer.text())
      const { iss, sub } = echo.arrivals[0]?.claims ?? {}
      return [iss, sub]
    }
    assert.deepEqual(await issuers(desk), [`${gateway.idp}/api/oidc`, 'user-ben'])
    assert.deepEqual(await issuers(shop), [partner.issuer, 'user-ben'])
  })

  await t.test('and is worth nothing at another frontend, under any name', async () => {
    const value = cookieValue(world, desk)
    for (const to of [origins.first, origins.shop]) {
      const { first: one, all } = gateway.config().frontends
      const frontend = all.find(({ publicUrl }) => publicUrl.origin === to) ?? one
      const head: Head = [['Cookie', `${frontend.cookies.sessionName}=${value}`]]
      for (const path of [PATH, '/admin/config']) {
        await assertProblem(await call(world, hostOf(to), path, head), 'SESSION_REQUIRED')
      }
      const session = await call(world, hostOf(to), '/api/auth/session', head)
      assert.equal(session.body, '{"authenticated":false}')
      const logout = await call(world, hostOf(to), '/auth/logout', head, 'POST')
      assert.equal(logout.status, 200)
    }
    assert.equal((await desk.session()).authenticated, true, 'nor has it been ended there')
  })

  await t.test('of which an explanation tells', async () => {
    const id = 'explained-at-the-shop'
    await shop.fetch(PATH, { headers: { 'x-correlation-id': id } })
    const headers = { authorization: `Bearer ${gateway.adminToken}` }
    const explain = async () => {
      const answer = await gateway.visitor().fetch(`/admin/explain/${id}`, { headers })
      return answer.status === 200 ? ((await answer.json()) as { text: string }).text : ''
    }
    await until('the explanation', async () => (await explain()) !== '')
    const told = `at the frontend shop, signed in at ${partner.issuer}`
    assert.ok((await explain()).includes(told), await explain())
  })

  await t.test('and cannot be completed at another', async () => {
    const victim = gateway.visitor(origins.desk)
    const page = await victim.openLogin('/')
    let answer: RawAnswer | undefined
    await victim.submitLogin(page, USERS.member, async (callback) => {
      const cookie = victim.jar.header(new URL(origins.desk)) ?? ''
      const path = callback.pathname + callback.search
      for (const to of [origins.first, origins.shop]) {
        answer = await call(world, hostOf(to), path, [['Cookie', renamed(cookie)]])
        assert.equal(answer.headers.get('set-cookie'), undefined)
        await assertProblem(answer, 'LOGIN_STATE_INVALID')
      }
    })
    assert.ok(answer)
  })

  await t.test('and returns to itself alone', async () => {
    const refused = await gateway
      .visitor(origins.desk)
      .fetch(`/auth/login?return_to=${encodeURIComponent(`${origins.shop}/x`)}`)
    await assertProblem(refused, 'RETURN_TO_REFUSED')
    for (const [origin, who] of [
      [origins.desk, desk],
      [origins.shop, shop],
    ] as const) {
      const answer = (await (await who.signOut()).json()) as { logout_url: string }
      const url = new URL(answer.logout_url)
      assert.equal(url.searchParams.get('post_logout_redirect_uri'), `${origin}/`)
      const idp = who === desk ? gateway.idp : new URL(partner.issuer).origin
      assert.equal(url.origin, idp)
    }
    assert.equal((await first.session()).authenticated, true)
  })
})

/** The login cookies of one frontend under the names that the others give them. */
const renamed = (cookie: string) =>
  cookie
    .split('; ')
    .flatMap((pair) => [pair, pair.replace('_login_desk_', '_login_shop_')])
    .join('; ')

function cookieValue({ gateway }: FrontendsWorld, who: Visitor): string {
  const frontend = gateway.config().frontends.all.find((one) => one.publicUrl.origin === who.bff)
  const value = new RegExp(`${frontend?.cookies.sessionName}=([^;]+)`).exec(who.cookie)?.[1]
  assert.ok(value)
  return value
}

test('the host that is called chooses the frontend', async (t) => {
  const world = await startFrontends(t)
  const { gateway, origins } = world
  const { port } = new URL(gateway.bff)
  const desk = await gateway.signedIn(USERS.member, origins.desk)
  const session = (head: Head, host: string) =>
    call(world, host, '/api/auth/session', [['Cookie', desk.cookie], ...head])
  const isDesk = (answer: RawAnswer) => answer.body.includes('"authenticated":true')

  await t.test('in any letters', async () => {
    assert.ok(isDesk(await session([], `desk.localhost:${port}`)))
    assert.ok(isDesk(await session([], `DESK.localhost:${port}`)))
    assert.ok(!isDesk(await session([], `localhost:${port}`)))
  })

  await t.test('and an unknown one is refused, except for health', async () => {
    for (const host of [
      `127.0.0.1:${port}`,
      'desk.localhost',
      `desk.localhost.:${port}`,
      'x',
      '',
    ]) {
      for (const path of ['/', PATH, '/auth/login', '/healthy', '/metrics']) {
        await assertProblem(await call(world, host, path), 'HOST_UNKNOWN')
      }
      assert.equal((await call(world, host, '/health')).status, 200)
      assert.equal((await call(world, host, '/health/ready')).status, 200)
    }
  })

  await t.test('and what a stranger forwards counts for nothing', async () => {
    const forwarded: Head = [['X-Forwarded-Host', `desk.localhost:${port}`]]
    assert.ok(!isDesk(await session(forwarded, `localhost:${port}`)))
    await assertProblem(await session(forwarded, 'x'), 'HOST_UNKNOWN')
  })

  await t.test('and two hosts are none', async () => {
    const host = `desk.localhost:${port}`
    await assertProblem(await session([['Host', `localhost:${port}`]], host), 'HOST_UNKNOWN')
  })
})

test('a trusted proxy says which host was called', async (t) => {
  const world = await startFrontends(t, {
    edits: {
      'BFF/config/settings.yaml': inOrder(EDITS['BFF/config/settings.yaml'], (text) =>
        text.replace('trusted_proxies: []', 'trusted_proxies: [127.0.0.1]'),
      ),
    },
  })
  const { gateway, origins } = world
  const host = hostOf(origins.desk)
  const desk = await gateway.signedIn(USERS.member, origins.desk)
  const ask = async (head: Head) => {
    const cookie: Head = [['Cookie', desk.cookie]]
    return call(world, 'bff.internal', '/api/auth/session', [...cookie, ...head])
  }
  assert.match((await ask([['X-Forwarded-Host', host]])).body, /"authenticated":true/)
  for (const head of [
    [],
    [['X-Forwarded-Host', `${host}, ${host}`]],
    [
      ['X-Forwarded-Host', host],
      ['X-Forwarded-Host', host],
    ],
    [['X-Forwarded-Host', '']],
  ] satisfies Head[]) {
    await assertProblem(await ask(head), 'HOST_UNKNOWN')
  }
})

test('a frontend that the configuration has no longer leaves no session behind', async (t) => {
  const { gateway, origins } = await startWith(t)
  const desk = await gateway.signedIn(USERS.member, origins.desk)
  gateway.reconfigure({
    'BFF/config/settings.yaml': (text) => text.replace('  desk:\n', '  counter:\n'),
  })
  assert.deepEqual(await desk.session(), { authenticated: false })
})

const startWith = (t: TestContext) => startFrontends(t)
