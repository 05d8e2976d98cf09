import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { freezeTime } from '@audience-bridge/testkit/time.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import { until } from '@audience-bridge/testkit/wait.ts'

const ANALYTICS = '/api/v1/analytics/workflows'
const CRUD = '/api/crud/projects'

test('IDP_UNAVAILABLE', async (t) => {
  const time = freezeTime(t)
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
    edits: {
      'BFF/config/settings.yaml': (text) =>
        text.replace('auth:\n', 'auth:\n  eager_services: [analytics_service]\n'),
    },
  })
  const member = await gateway.signedIn()
  const admin = await gateway.signedIn(USERS.admin)
  assert.equal((await member.fetch(ANALYTICS)).status, 200)
  await gateway.stopIdp()

  await t.test('when a new token is needed, and never a lost session', async () => {
    const response = await member.fetch(CRUD)
    assert.ok(Number(response.headers.get('retry-after')) > 0)
    const problem = await assertProblem(response, 'IDP_UNAVAILABLE')
    assert.equal(problem.service, 'crud_service')
    assert.ok(!('reason' in problem) && !('broken_link' in problem))
    assert.ok(!JSON.stringify(problem).includes(new URL(gateway.idp).host))
    const told = await assertProblem(await admin.fetch(CRUD), 'IDP_UNAVAILABLE')
    assert.match(JSON.stringify(told.broken_link), /IdP/)
    assert.equal((await member.session()).authenticated, true)
  })

  await t.test('not while the token that is out still lives', async () => {
    assert.equal((await member.fetch(ANALYTICS)).status, 200)
    time.pass(580)
    assert.equal((await member.fetch(ANALYTICS)).status, 200)
    time.pass(21)
    await assertProblem(await member.fetch(ANALYTICS), 'IDP_UNAVAILABLE')
  })

  await t.test('at the login, and after a restart of the BFF', async () => {
    await gateway.restartBff()
    await assertProblem(await member.fetch(CRUD), 'IDP_UNAVAILABLE')
    const login = await gateway.visitor().fetch('/auth/login')
    assert.ok(Number(login.headers.get('retry-after')) > 0)
    await assertProblem(login, 'IDP_UNAVAILABLE')
  })

  await t.test('not at a logout: it ends the session here', async () => {
    const csrf = await admin.csrfToken()
    const response = await admin.fetch('/auth/logout', {
      method: 'POST',
      headers: { 'x-csrf-token': csrf, accept: 'application/json' },
    })
    assert.equal(response.status, 200)
    assert.deepEqual(await admin.session(), { authenticated: false })
  })

  await t.test('no longer once it is back: nobody restarts or signs in anew', async () => {
    await gateway.startIdp()
    await until('service', async () => (await member.fetch(ANALYTICS)).status === 200)
    assert.equal((await member.fetch(CRUD)).status, 200)
    assert.equal(echo.arrivals.at(-1)?.claims?.sub, 'user-ben')
    assert.equal((await gateway.signedIn()).cookie === '', false)
  })

  await t.test('during a callback: the login is begun anew', async () => {
    const who = gateway.visitor()
    const page = await who.openLogin('/x')
    // The IdP answers the form, and goes away before the code is redeemed.
    const landed = await who.submitLogin(page, USERS.member, () => gateway.stopIdp())
    await assertProblem(landed, 'IDP_UNAVAILABLE')
    await gateway.startIdp()
    await until('the IdP', async () => (await who.fetch('/health/ready')).status === 200)
    const anew = await who.follow(
      await who.fetch('/auth/login?return_to=/x'),
      ({ pathname }) => pathname === '/x',
    )
    assert.equal(anew.status, 302)
    assert.equal((await who.session()).authenticated, true)
  })
})
