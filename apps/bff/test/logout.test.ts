import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { type Gateway, startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'

const PATH = '/api/v1/analytics/workflows'
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

test('logout', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, { upstreams: { analytics_service: echo.origin } })
  const { sessionName } = gateway.config().frontends.first.cookies

  for (const path of ['/auth/logout', '/api/auth/logout']) {
    await t.test(`POST ${path} needs the CSRF token`, async () => {
      const visitor = await gateway.signedIn()
      const csrf = await visitor.csrfToken()
      for (const headers of [
        {},
        { 'x-csrf-token': 'wrong' },
        { 'x-csrf-token': csrf, 'sec-fetch-site': 'cross-site' },
      ]) {
        const response = await visitor.fetch(path, { method: 'POST', headers })
        assert.deepEqual(response.headers.getSetCookie(), [])
        await assertProblem(response, 'CSRF_REJECTED')
      }
      const foreign = { 'x-csrf-token': csrf, origin: 'https://evil.example' }
      const refused = await visitor.fetch(path, { method: 'POST', headers: foreign })
      assert.deepEqual(refused.headers.getSetCookie(), [])
      await assertProblem(refused, 'ORIGIN_FORBIDDEN')
      for (const body of ['', 'csrf_token=wrong', `csrf_token=${csrf}&csrf_token=${csrf}`]) {
        const response = await visitor.fetch(path, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body,
        })
        await assertProblem(response, 'CSRF_REJECTED')
      }
      assert.equal((await visitor.session()).authenticated, true)
      const response = await visitor.fetch(path, {
        method: 'POST',
        headers: { 'x-csrf-token': csrf, accept: 'application/json' },
      })
      assert.equal(response.status, 200)
      const answer = (await response.json()) as { logout_url: string }
      assert.deepEqual(Object.keys(answer), ['logout_url'])
      assert.equal(new URL(answer.logout_url).origin, gateway.idp)
      assert.deepEqual(await visitor.session(), { authenticated: false })
    })
  }

  await t.test('another site signs nobody out, cookie or no cookie', async () => {
    // SameSite=Lax keeps the cookie away from a form of another site; the answer must not delete it.
    for (const [name, value, code] of [
      ['Origin', 'https://evil.example', 'ORIGIN_FORBIDDEN'],
      ['Origin', 'null', 'ORIGIN_FORBIDDEN'],
      ['Sec-Fetch-Site', 'cross-site', 'CSRF_REJECTED'],
    ] as const) {
      const answer = await gateway.raw('POST', '/auth/logout', [[name, value]])
      assert.equal(answer.headers.get('set-cookie'), undefined)
      await assertProblem(answer, code)
    }
    for (const method of ['GET', 'HEAD']) {
      const visitor = await gateway.signedIn()
      const page = await visitor.fetch('/auth/logout', { method })
      assert.equal(page.status, 200)
      assert.deepEqual(page.headers.getSetCookie(), [])
      assert.equal((await visitor.session()).authenticated, true)
    }
  })

  await t.test('GET asks on a page whose form works without script', async () => {
    const visitor = await gateway.signedIn()
    const page = await visitor.fetch('/auth/logout', { headers: { accept: 'text/html' } })
    assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/)
    assert.equal(page.headers.get('cache-control'), 'no-store')
    const token = /name="csrf_token" value="([0-9a-f]{64})"/.exec(await page.text())?.[1] ?? ''
    const response = await visitor.fetch('/auth/logout', {
      method: 'POST',
      headers: { accept: 'text/html', origin: gateway.bff },
      body: new URLSearchParams({ csrf_token: token }),
    })
    assert.equal(response.status, 303)
    assert.equal(new URL(response.headers.get('location') ?? '').origin, gateway.idp)
    assert.deepEqual(await visitor.session(), { authenticated: false })
    const anonymous = await visitor.fetch('/auth/logout')
    assert.equal(anonymous.status, 302)
  })

  await t.test('a form gets 303 whatever it accepts, a request for JSON 200', async () => {
    for (const [accept, status] of [
      ['*/*', 303],
      ['application/json', 200],
    ] as const) {
      const visitor = await gateway.signedIn()
      const response = await visitor.fetch('/auth/logout', {
        method: 'POST',
        headers: { accept },
        body: new URLSearchParams({ csrf_token: await visitor.csrfToken() }),
      })
      assert.equal(response.status, status, accept)
    }
  })

  await t.test('ends the session, its tokens and its grant', async () => {
    const visitor = await gateway.signedIn()
    assert.equal((await visitor.fetch(PATH)).status, 200)
    const cookie = visitor.cookie
    const opened = await gateway.openSession(visitor)
    assert.ok(opened)
    const exchange = () =>
      gateway.askIdp('token', {
        grant_type: EXCHANGE,
        subject_token: opened.grant.access_token,
        subject_token_type: ACCESS_TOKEN,
        audience: 'https://analytics.ocg.labs.empowernow.ai',
      })
    assert.equal((await exchange()).status, 200)
    assert.equal((await visitor.signOut()).status, 200)

    echo.arrivals.length = 0
    const replayed = await gateway.raw('GET', PATH, [['Cookie', cookie]])
    await assertProblem(replayed, 'SESSION_EXPIRED')
    assert.deepEqual(echo.arrivals, [])
    assert.equal(await gateway.openSession(visitor), undefined)
    const refused = await exchange()
    assert.equal(refused.status, 400)
    assert.equal(((await refused.json()) as { error: string }).error, 'invalid_grant')
    const refresh = await gateway.askIdp('token', {
      grant_type: 'refresh_token',
      refresh_token: opened.grant.refresh_token ?? '',
    })
    assert.equal(((await refresh.json()) as { error: string }).error, 'invalid_grant')
    // A restart does not bring it back.
    await gateway.restartBff()
    const again = await gateway.raw('GET', PATH, [['Cookie', cookie]])
    await assertProblem(again, 'SESSION_EXPIRED')
  })

  await t.test('deletes the cookie as it was set', async () => {
    const visitor = await gateway.signedIn()
    const response = await visitor.signOut()
    const deletion = response.headers.getSetCookie().find((line) => line.startsWith(sessionName))
    assert.equal(deletion, `${sessionName}=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax`)
    assert.equal(response.headers.get('cache-control'), 'no-store')
  })

  await t.test('of one session leaves the others of the user alone', async () => {
    const [here, there] = [await gateway.signedIn(), await gateway.signedIn()]
    await here.signOut()
    assert.equal((await there.fetch(PATH)).status, 200)
  })

  for (const [how, visitsIdp] of [
    ['without a visit to logout_url', false],
    ['after a visit to logout_url', true],
  ] as const) {
    await t.test(`the next login asks for the password again, ${how}`, async () => {
      for (const prompt of ['', '&prompt=none']) {
        const visitor = await gateway.signedIn()
        const { logout_url: url } = (await (await visitor.signOut()).json()) as {
          logout_url: string
        }
        if (visitsIdp) {
          assert.equal(await visitor.finishSignOut(url), `${gateway.bff}/`)
        }
        await asksForPassword(gateway, visitor, `/auth/login?return_to=/x${prompt}`)
      }
    })
  }

  await t.test('without a session is done already', async () => {
    const visitor = gateway.visitor()
    const response = await visitor.fetch('/auth/logout', { method: 'POST' })
    assert.equal(response.status, 200)
    assert.deepEqual(await response.json(), { logout_url: `${gateway.bff}/` })
  })
})

async function asksForPassword(gateway: Gateway, visitor: Visitor, path: string): Promise<void> {
  const page = await visitor.follow(await visitor.fetch(path))
  assert.equal(new URL(page.url).origin, gateway.idp, 'the IdP shows its form')
  const landed = await visitor.submitLogin(page, USERS.member)
  assert.equal(landed.headers.get('location'), '/x')
  // And once that is done, a login of a tab beside it is silent again.
  const silent = await visitor.follow(
    await visitor.fetch('/auth/login?return_to=/y'),
    ({ pathname }) => pathname === '/y',
  )
  assert.equal(silent.status, 302)
}
