import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { freezeTime } from '@audience-bridge/testkit/time.ts'
import { lazily } from './minting.ts'

const PATH = '/api/v1/analytics/workflows'

test('SESSION_REQUIRED', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, { upstreams: { analytics_service: echo.origin } })
  const visitor = await gateway.signedIn()
  const name = gateway.config().frontends.first.cookies.sessionName
  const value = new RegExp(`${name}=([^;]+)`).exec(visitor.cookie)?.[1] ?? ''
  assert.equal(value.length, 43)
  const ask = (cookie: string | undefined, more: [string, string][] = []) =>
    gateway.raw('GET', PATH, [...(cookie ? [['Cookie', cookie] as const] : []), ...more])

  const cases: [string, string | undefined, [string, string][]?][] = [
    ['without a cookie', undefined],
    ['with an empty one', `${name}=`],
    ['with another cookie', 'a=b'],
    ['with a value that cannot be ours', `${name}=${'x'.repeat(42)}`],
    ['with a value that is too long', `${name}=${value}a`],
    ['with the value quoted', `${name}="${value}"`],
    ['with the value under a longer name', `x${name}=${value}`],
    ['with the name in another case', `${name.toUpperCase()}=${value}`],
    ['without the prefix', `${name.replace('__Host-', '')}=${value}`],
    // A sibling domain plants a second cookie of the same name: choosing would let it pick the session.
    ['with the cookie twice', `${name}=${value}; ${name}=${'A'.repeat(43)}`],
    ['with the cookie twice, ours last', `${name}=${'A'.repeat(43)}; ${name}=${value}`],
    [
      'with the cookie in two headers',
      `${name}=${value}`,
      [['Cookie', `${name}=${'A'.repeat(43)}`]],
    ],
    ['with a bearer token instead', undefined, [['Authorization', `Bearer ${value}`]]],
  ]
  for (const [how, cookie, more] of cases) {
    await t.test(how, async () => {
      const problem = await assertProblem(await ask(cookie, more), 'SESSION_REQUIRED')
      assert.match(String(problem.detail), /\/auth\/login/)
    })
  }
  await t.test('never reaches the backend, and is not what a live session gets', async () => {
    assert.deepEqual(echo.arrivals, [])
    assert.equal((await ask(`a=b; ${name}=${value}; c=d`)).status, 200)
    assert.equal((await ask(`a=b;${name}=${value};c=d`)).status, 200)
  })
  await t.test('a well-formed ticket that nobody was given is an ended session', async () => {
    await assertProblem(await ask(`${name}=${'A'.repeat(43)}`), 'SESSION_EXPIRED')
  })
})

test('SESSION_EXPIRED', async (t) => {
  const time = freezeTime(t)
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin },
    // A mint that is under way while the clock jumps proves itself by an assertion that is too old.
    edits: { 'BFF/config/settings.yaml': lazily },
  })
  const { idle_seconds: idle, absolute_seconds: absolute } =
    gateway.config().bridge.settings.session

  await t.test('after the idle limit, to the second', async () => {
    const visitor = await gateway.signedIn()
    time.pass(idle - 1)
    assert.equal((await visitor.fetch(PATH)).status, 200)
    time.pass(idle - 1)
    assert.equal((await visitor.fetch(PATH)).status, 200, 'each request slides it')
    time.pass(idle)
    await assertProblem(await visitor.fetch(PATH), 'SESSION_EXPIRED')
    await assertProblem(await visitor.fetch(PATH), 'SESSION_EXPIRED')
    assert.deepEqual(await visitor.session(), { authenticated: false })
  })

  await t.test('after the absolute limit, however busy', async () => {
    const visitor = await gateway.signedIn()
    const step = idle - 10
    for (let passed = 0; passed + step < absolute; passed += step) {
      assert.equal((await visitor.fetch(PATH)).status, 200)
      time.pass(step)
    }
    assert.equal((await visitor.fetch(PATH)).status, 200)
    time.pass(absolute % step === 0 ? step : absolute % step)
    await assertProblem(await visitor.fetch(PATH), 'SESSION_EXPIRED')
  })

  await t.test('asking whether it lives does not keep it alive', async () => {
    const visitor = await gateway.signedIn()
    const [first] = [await visitor.session()]
    assert.ok(first.authenticated)
    for (let i = 0; i < 4; i++) {
      time.pass(idle / 4 - 1)
      for (const path of ['/api/auth/session', '/auth/session', '/auth/logout']) {
        await (await visitor.fetch(path)).arrayBuffer()
      }
      const now = await visitor.session()
      assert.ok(now.authenticated)
      assert.equal(now.idle_expires_at, first.idle_expires_at)
      assert.equal(now.expires_at, first.expires_at)
    }
    time.pass(4)
    assert.deepEqual(await visitor.session(), { authenticated: false })
  })

  await t.test('survives a restart with its times', async () => {
    const visitor = await gateway.signedIn()
    time.pass(idle - 120)
    assert.equal((await visitor.fetch(PATH)).status, 200)
    await gateway.restartBff()
    time.pass(idle - 120)
    assert.equal((await visitor.fetch(PATH)).status, 200, 'the slide was kept')
    await gateway.restartBff()
    time.pass(idle)
    await assertProblem(await visitor.fetch(PATH), 'SESSION_EXPIRED')
  })

  await t.test('when the IdP has ended the grant, as soon as a token is needed', async () => {
    const visitor = await gateway.signedIn()
    assert.equal((await visitor.fetch(PATH)).status, 200)
    const opened = await gateway.openSession(visitor)
    await gateway.revoke(opened?.grant.refresh_token ?? '')
    assert.equal((await visitor.fetch(PATH)).status, 200, 'the token that is out lives on')
    time.pass(601)
    await assertProblem(await visitor.fetch(PATH), 'SESSION_EXPIRED')
    assert.deepEqual(await visitor.session(), { authenticated: false })
    assert.equal(
      await gateway.openSession(visitor),
      undefined,
      'nothing of it is left in the store',
    )
  })
})
