import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { rawRequest } from '@audience-bridge/testkit/raw.ts'
import { freezeTime } from '@audience-bridge/testkit/time.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'

const PATH = '/api/v1/analytics/workflows'

test('a login', async (t) => {
  const time = freezeTime(t)
  const echo = await startEcho(t)
  const gateway = await startGateway(t, { upstreams: { analytics_service: echo.origin } })
  const { sessionName, loginPrefix } = gateway.config().frontends.first.cookies
  const sessionCookie = (who: Visitor) => new RegExp(`${sessionName}=[^;]+`).exec(who.cookie)?.[0]

  await t.test('begins with a pushed request: the browser carries a reference alone', async () => {
    const begun = await gateway.visitor().fetch('/auth/login?return_to=/x')
    assert.equal(begun.status, 302)
    assert.equal(begun.headers.get('cache-control'), 'no-store')
    const url = new URL(begun.headers.get('location') ?? '')
    assert.equal(url.origin + url.pathname, `${gateway.idp}/api/oidc/authorize`)
    assert.deepEqual([...url.searchParams.keys()].sort(), ['client_id', 'request_uri'])
    assert.equal(url.searchParams.get('client_id'), 'bff-server')
    assert.match(url.searchParams.get('request_uri') ?? '', /^urn:ietf:params:oauth:request_uri:/)
    const [cookie = '', ...others] = begun.headers.getSetCookie()
    assert.deepEqual(others, [])
    assert.match(
      cookie,
      new RegExp(
        `^${loginPrefix}[0-9a-f]{12}=[A-Za-z0-9_-]{43}; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax$`,
      ),
    )
  })

  await t.test('ends with the session cookie and the way back', async () => {
    const who = gateway.visitor()
    const landed = await who.signIn(USERS.member, '/console?tab=1')
    assert.equal(landed.status, 302)
    assert.equal(landed.headers.get('location'), '/console?tab=1')
    assert.equal(landed.headers.get('cache-control'), 'no-store')
    assert.match(sessionName, /^__Host-bff_session_\d+$/)
    const set = landed.headers.getSetCookie().filter((line) => line.startsWith(sessionName))
    assert.equal(set.length, 1)
    assert.match(
      set[0] ?? '',
      new RegExp(`^${sessionName}=[A-Za-z0-9_-]{43}; Path=/; HttpOnly; Secure; SameSite=Lax$`),
    )
  })

  await t.test('tells the browser who it is, and no token', async () => {
    const who = await gateway.signedIn(USERS.admin)
    await who.fetch(PATH)
    const [session, alias] = await Promise.all(
      ['/api/auth/session', '/auth/session'].map(async (path) => {
        const response = await who.fetch(path)
        assert.equal(response.status, 200)
        assert.equal(response.headers.get('cache-control'), 'no-store')
        return (await response.json()) as Record<string, unknown>
      }),
    )
    assert.deepEqual(alias, session)
    const {
      csrf_token: csrf,
      expires_at,
      idle_expires_at,
      services,
      ends,
      limits,
      ...rest
    } = session ?? {}
    assert.deepEqual(rest, {
      authenticated: true,
      user: { sub: 'user-ada', name: 'Test ada', email: 'ada@example.com', roles: ['admin'] },
    })
    assert.match(String(csrf), /^[0-9a-f]{64}$/)
    const settings = gateway.config().bridge.settings.session
    assert.equal(Date.parse(String(expires_at)) / 1000, time.now() + settings.absolute_seconds)
    assert.equal(Date.parse(String(idle_expires_at)) / 1000, time.now() + settings.idle_seconds)
    assert.ok((services as string[]).includes('analytics_service'))
    assert.deepEqual(ends, { at: idle_expires_at, by: 'idle' })
    assert.equal((limits as Record<string, string>).absolute, expires_at)
    for (const path of ['/api/auth/session', '/auth/session']) {
      const anonymous = await gateway.visitor().fetch(path)
      assert.equal(anonymous.status, 200)
      assert.deepEqual(await anonymous.json(), { authenticated: false })
    }
  })

  await t.test('in several tabs at once succeeds in each', async () => {
    const who = gateway.visitor()
    const pages = []
    for (const tab of ['/a', '/b', '/c']) pages.push(await who.openLogin(tab))
    for (const [i, page] of pages.entries()) {
      const landed = await who.submitLogin(page, USERS.member)
      assert.equal(landed.status, 302)
      assert.equal(landed.headers.get('location'), `/${'abc'[i]}`)
      assert.equal((await who.fetch(PATH)).status, 200)
    }
  })

  await t.test('in twenty tabs leaves no more cookies than a server takes', async () => {
    const who = gateway.visitor()
    for (let tab = 0; tab < 20; tab++) await (await who.fetch('/auth/login')).arrayBuffer()
    const left = who.cookie.split('; ').filter((cookie) => cookie.startsWith(loginPrefix))
    assert.ok(left.length <= 17, `${left.length} cookies`)
    const landed = await who.signIn(USERS.member, '/x')
    assert.equal(landed.headers.get('location'), '/x')
  })

  await t.test('gives the session a new id each time, and the old one opens nothing', async () => {
    // The attack: a session id that the attacker knew before the login (session fixation).
    const fixed = 'A'.repeat(43)
    const who = gateway.visitor()
    who.jar.store(new URL(gateway.bff), [`${sessionName}=${fixed}; Path=/; Secure`])
    await who.signIn(USERS.member)
    const first = sessionCookie(who) ?? ''
    assert.notEqual(first, `${sessionName}=${fixed}`)
    await who.follow(await who.fetch('/auth/login?return_to=/x'), (url) => url.pathname === '/x')
    const second = sessionCookie(who) ?? ''
    assert.notEqual(second, first)
    for (const [cookie, status] of [
      [`${sessionName}=${fixed}`, 401],
      [first, 401],
      [second, 200],
    ] as const) {
      const answer = await gateway.raw('GET', PATH, [['Cookie', cookie]])
      assert.equal(answer.status, status)
    }
  })

  await t.test('with a wrong password is not one', async () => {
    const who = gateway.visitor()
    const page = await who.openLogin('/x')
    const answer = await who.submitLogin(page, { username: 'ben', password: 'wrong' })
    assert.equal(new URL(answer.url).origin, gateway.idp)
    assert.deepEqual(await who.session(), { authenticated: false })
  })

  await t.test('begun on another host name goes to the public one first', async () => {
    const { port } = new URL(gateway.bff)
    const begun = await rawRequest(
      `http://127.0.0.1:${port}`,
      'GET',
      '/auth/login?return_to=%2Fx%3Fa%3D1&prompt=login',
    )
    assert.equal(begun.status, 302)
    assert.equal(begun.headers.get('set-cookie'), undefined)
    const next = new URL(begun.headers.get('location')?.[0] ?? '')
    assert.equal(next.origin, gateway.bff)
    assert.equal(next.searchParams.get('return_to'), '/x?a=1')
    assert.equal(next.searchParams.get('prompt'), 'login')
    // A proxy that keeps its own Host must not be sent round in circles.
    const again = await rawRequest(`http://127.0.0.1:${port}`, 'GET', next.pathname + next.search)
    assert.ok(again.headers.get('location')?.[0]?.startsWith(gateway.idp))
  })
})

test('a cookie domain makes bff_session with that Domain', async (t) => {
  const gateway = await startGateway(t, {
    edits: {
      'BFF/config/settings.yaml': replace('session:\n', 'session:\n  cookie_domain: localhost\n'),
    },
  })
  const who = gateway.visitor()
  const landed = await who.signIn(USERS.member)
  const { sessionName } = gateway.config().frontends.first.cookies
  assert.match(sessionName, /^bff_session_\d+$/)
  assert.match(
    landed.headers.getSetCookie()[0] ?? '',
    new RegExp(
      `^${sessionName}=[A-Za-z0-9_-]{43}; Path=/; Domain=localhost; HttpOnly; Secure; SameSite=Lax$`,
    ),
  )
  const response = await who.signOut()
  assert.ok(
    response.headers
      .getSetCookie()
      .includes(
        `${sessionName}=; Path=/; Domain=localhost; Max-Age=0; HttpOnly; Secure; SameSite=Lax`,
      ),
  )
})

test('plain http on a name that is not localhost is explained instead of looping', async (t) => {
  const gateway = await startGateway(t, {
    env: {
      BFF_PUBLIC_URL: 'http://bff.example:8080',
      BFF_JWKS_URI: 'https://bff.example/.well-known/jwks.json',
    },
  })
  const { port } = gateway.config().bridge.settings.server
  const answer = await rawRequest(`http://127.0.0.1:${port}`, 'GET', '/auth/login?return_to=/x')
  assert.equal(answer.headers.get('location'), undefined)
  const problem = await assertProblem(answer, 'LOGIN_STATE_INVALID')
  assert.match(String(problem.detail), /http:\/\/bff\.example:8080/)
  assert.match(String(problem.detail), /https/)
  assert.match(String(problem.detail), /server\.public_url/)
})
