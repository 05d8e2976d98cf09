import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Session } from '../src/client.ts'
import { ALICE, liveSession, NO_SESSION, openPage, problem, startStandIn } from './stand-in.ts'

const SESSION = '/api/auth/session'

test('the session is told without its token', async (t) => {
  const bff = await startStandIn(t, () => liveSession('secret'))
  const { client } = openPage(t, bff)
  const [session] = await Promise.all([client.session(), client.session()])
  assert.deepEqual(session, {
    authenticated: true,
    user: ALICE,
    expiresAt: new Date('2030-01-01T08:00:00.000Z'),
    idleExpiresAt: new Date('2030-01-01T00:30:00.000Z'),
    ends: { at: new Date('2030-01-01T00:30:00.000Z'), by: 'idle' },
    services: ['crud_service'],
  })
  assert.equal(bff.asked(SESSION).length, 1)
  bff.answer = () => NO_SESSION
  assert.deepEqual(await client.session(), { authenticated: false })
})

test('an answer that is no session is an error that names the usual cause', async (t) => {
  const bff = await startStandIn(t, () => ({ body: '<!doctype html>' }))
  const { client } = openPage(t, bff)
  await assert.rejects(client.session(), { code: 'ANSWER_INVALID', message: /proxied/ })
  bff.answer = () => ({ body: { authenticated: 'yes' } })
  await assert.rejects(client.session(), { code: 'ANSWER_INVALID' })
  bff.answer = () => NO_SESSION
  assert.deepEqual(await client.session(), { authenticated: false })
})

test('login leaves for the BFF and comes back', async (t) => {
  const bff = await startStandIn(t, () => ({}))
  const { client, left } = openPage(t, bff, { loginPath: '/auth/login' })
  client.login()
  client.login('/other?x')
  assert.deepEqual(
    left.map((url) => new URL(url).searchParams.get('return_to')),
    ['/app/items?page=2#third', '/other?x'],
  )
  assert.ok(left.every((url) => url.startsWith(`${bff.origin}/auth/login?`)))
})

test('logout', async (t) => {
  const bff = await startStandIn(t, () => ({}))
  const answer = (logoutUrl: unknown) => {
    bff.answer = ({ url }) =>
      url === SESSION ? liveSession('t') : { body: { logout_url: logoutUrl } }
  }
  await t.test('proves itself, tells the page, and ends the IdP’s session too', async (t) => {
    answer('https://idp.example/logout?x=1')
    const { client, left } = openPage(t, bff)
    await client.session()
    const told: Session[] = []
    client.onSessionChange((session) => told.push(session))
    await client.logout()
    assert.deepEqual(left, ['https://idp.example/logout?x=1'])
    assert.deepEqual(told, [{ authenticated: false }])
    const [seen] = bff.asked('/auth/logout')
    assert.equal(seen?.method, 'POST')
    assert.equal(seen?.headers['x-csrf-token'], 't')
  })
  await t.test('goes nowhere that could run as a script', async (t) => {
    for (const url of ['javascript:alert(1)', 'data:text/html,x', 'http://', undefined]) {
      answer(url)
      const { client, left } = openPage(t, bff)
      await client.logout()
      assert.equal(left.length, 1)
      assert.equal(new URL(left[0] ?? '').origin, bff.origin, String(url))
    }
  })
  await t.test('that fails leaves the person signed in, and says so', async (t) => {
    bff.answer = ({ url }) => (url === SESSION ? liveSession('t') : problem('INTERNAL', 500))
    const { client, left } = openPage(t, bff)
    await assert.rejects(client.logout(), { code: 'INTERNAL' })
    assert.deepEqual(left, [])
  })
})

test('other tabs hear of a change, ask for themselves, and fall silent again', async (t) => {
  const bff = await startStandIn(t, () => NO_SESSION)
  const [one, two, deaf] = [openPage(t, bff), openPage(t, bff), openPage(t, bff)]
  await Promise.all([one, two, deaf].map(({ client }) => client.session()))

  const next = () => new Promise<Session>((resolve) => two.client.onSessionChange(resolve))
  const signedIn = next()
  bff.answer = () => liveSession('t')
  bff.seen.length = 0
  await one.client.session()
  assert.equal((await signedIn).authenticated, true)

  const signedOut = next()
  bff.answer = ({ url }) => (url === SESSION ? NO_SESSION : problem('SESSION_REQUIRED', 401))
  await assert.rejects(one.client.fetch('/api/v1/x', { method: 'POST' }))
  assert.deepEqual(await signedOut, { authenticated: false })
  // The first tab asked for the first change, the one that listens for both; the third needed none.
  assert.equal(bff.asked(SESSION).length, 3)
})

test('a listener that throws fails no call, and one that left is not told', async (t) => {
  const bff = await startStandIn(t, () => NO_SESSION)
  const { client } = openPage(t, bff)
  const told: string[] = []
  const stop = client.onSessionChange(() => told.push('left'))
  client.onSessionChange(() => told.push('stayed'))
  stop()
  await client.session()
  await client.session()
  await new Promise(setImmediate)
  assert.deepEqual(told, ['stayed'])
})

test('an answer that was on its way when the session ended brings nobody back', async (t) => {
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const bff = await startStandIn(t, async ({ url }) => {
    if (url !== SESSION) return problem('SESSION_EXPIRED', 401)
    await held
    return liveSession('t')
  })
  const { client } = openPage(t, bff, { onSessionLost: () => false })
  const told: boolean[] = []
  client.onSessionChange(({ authenticated }) => told.push(authenticated))
  const early = client.session()
  await assert.rejects(client.fetch('/api/v1/x'))
  release()
  await early
  await new Promise(setImmediate)
  assert.deepEqual(told, [false])
})
