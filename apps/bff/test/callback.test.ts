import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { freezeTime } from '@audience-bridge/testkit/time.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'

test('a login at its callback', async (t) => {
  const time = freezeTime(t)
  const gateway = await startGateway(t)
  const { sessionName } = gateway.config().frontends.first.cookies
  const sessionCookie = (who: Visitor) => new RegExp(`${sessionName}=[^;]+`).exec(who.cookie)?.[0]
  const loseSession = (who: Visitor) =>
    who.jar.store(new URL(gateway.bff), [`${sessionName}=; Path=/; Secure; Max-Age=0`])
  /** Somebody whom the IdP knows already: no password needs to be typed. */
  const one = await gateway.signedIn()
  t.beforeEach(() => loseSession(one))
  /** Signs in as far as the IdP's redirect, and gives the callback without going there. */
  const reachCallback = async (who: Visitor): Promise<URL> => {
    const arrived = await who.follow(
      await who.fetch('/auth/login?return_to=/x'),
      ({ pathname }) => pathname === '/auth/callback',
    )
    return new URL(arrived.headers.get('location') ?? '')
  }

  await t.test('is bound by PKCE: the code alone is worth nothing', async () => {
    const callback = await reachCallback(one)
    const redeem = (more: Record<string, string>) =>
      gateway.askIdp('token', {
        grant_type: 'authorization_code',
        code: callback.searchParams.get('code') ?? '',
        redirect_uri: `${gateway.bff}/auth/callback`,
        ...more,
      })
    for (const more of [{}, { code_verifier: 'a'.repeat(43) }]) {
      const answer = await redeem(more)
      assert.equal(answer.status, 400)
      assert.equal(((await answer.json()) as { error: string }).error, 'invalid_grant')
    }
  })

  await t.test(
    'whose callback comes twice goes on to its place while the session lives',
    async () => {
      const callback = await reachCallback(one)
      assert.equal((await one.fetch(callback.href)).status, 302)
      const before = sessionCookie(one)
      const again = await one.fetch(callback.href)
      assert.equal(again.status, 302)
      assert.equal(again.headers.get('location'), '/x')
      assert.equal(sessionCookie(one), before, 'no second session is made')
      loseSession(one)
      await assertProblem(await one.fetch(callback.href), 'LOGIN_STATE_INVALID')
    },
  )

  await t.test('whose callback comes twice at once makes one session', async () => {
    const who = one
    const callback = await reachCallback(who)
    const answers = await Promise.all([who.fetch(callback.href), who.fetch(callback.href)])
    const made = answers.flatMap((answer) =>
      answer.headers.getSetCookie().filter((line) => line.startsWith(`${sessionName}=`)),
    )
    assert.equal(made.length, 1)
    assert.equal((await who.session()).authenticated, true)
  })

  await t.test('cannot be completed in a browser that did not begin it', async () => {
    // The attack: the victim is led to the attacker's callback and works in the attacker's account.
    const attacker = one
    const callback = await reachCallback(attacker)
    const stranger = gateway.visitor()
    const answer = await stranger.fetch(callback.href)
    assert.deepEqual(answer.headers.getSetCookie(), [])
    await assertProblem(answer, 'LOGIN_STATE_INVALID')

    const victim = await gateway.signedIn(USERS.admin)
    await victim.fetch('/auth/login')
    await assertProblem(await victim.fetch(callback.href), 'LOGIN_STATE_INVALID')
    const session = await victim.session()
    assert.equal(session.authenticated && session.user.sub, 'user-ada')

    // The attacker plants a login cookie of a victim's name: the seal does not open with it.
    const [name] = /__Host-bff_login_\d+_[0-9a-f]{12}/.exec(attacker.cookie) ?? []
    const planted = await gateway.raw('GET', callback.pathname + callback.search, [
      ['Cookie', `${name}=${'A'.repeat(43)}`],
    ])
    await assertProblem(planted, 'LOGIN_STATE_INVALID')
    // In its own browser it still succeeds: nobody else could use it up.
    assert.equal((await attacker.fetch(callback.href)).status, 302)
  })

  const tampered: [string, (url: URL) => void, 'LOGIN_STATE_INVALID' | 'LOGIN_FAILED'][] = [
    ['without a state', (url) => url.searchParams.delete('state'), 'LOGIN_STATE_INVALID'],
    ['with an unknown state', (url) => url.searchParams.set('state', 'x'), 'LOGIN_STATE_INVALID'],
    [
      'with two states',
      (url) => url.searchParams.append('state', url.searchParams.get('state') ?? ''),
      'LOGIN_STATE_INVALID',
    ],
    ['with another code', (url) => url.searchParams.set('code', 'x'.repeat(43)), 'LOGIN_FAILED'],
    ['without a code', (url) => url.searchParams.delete('code'), 'LOGIN_FAILED'],
    ['with two codes', (url) => url.searchParams.append('code', 'x'), 'LOGIN_FAILED'],
    [
      'with another issuer',
      (url) => url.searchParams.set('iss', 'https://evil.example'),
      'LOGIN_FAILED',
    ],
    ['without an issuer', (url) => url.searchParams.delete('iss'), 'LOGIN_FAILED'],
    [
      'with an error of the IdP',
      (url) => {
        url.searchParams.delete('code')
        url.searchParams.set('error', 'access_denied')
        url.searchParams.set('error_description', '<script>alert(1)</script>')
      },
      'LOGIN_FAILED',
    ],
  ]
  for (const [how, tamper, code] of tampered) {
    await t.test(`cannot be completed ${how}`, async () => {
      const who = one
      const callback = await reachCallback(who)
      tamper(callback)
      const answer = await who.fetch(callback.href)
      const set = answer.headers.getSetCookie().filter((line) => line.startsWith(sessionName))
      assert.deepEqual(set, [])
      const problem = await assertProblem(answer, code)
      assert.ok(!JSON.stringify(problem).includes('alert(1)'))
      assert.deepEqual(await who.session(), { authenticated: false })
    })
  }

  await t.test('cannot be completed after ten minutes', async () => {
    const who = one
    const callback = await reachCallback(who)
    time.pass(601)
    await assertProblem(await who.fetch(callback.href), 'LOGIN_STATE_INVALID')
  })

  await t.test('shows a person a page that tells what to do', async () => {
    const answer = await gateway
      .visitor()
      .fetch('/auth/callback?state=x&code=y', { headers: { accept: 'text/html' } })
    assert.equal(answer.status, 400)
    const html = await answer.text()
    assert.match(html, /LOGIN_STATE_INVALID/)
    assert.match(html, /auth\/login/)
    assert.ok(html.includes(answer.headers.get('x-correlation-id') ?? '?'))
  })
})
