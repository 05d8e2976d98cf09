import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { openTab } from '@audience-bridge/testkit/browser.ts'
import { startSystem } from '@audience-bridge/testkit/system.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { PATHS } from './analytics-api.ts'
import { addHistory } from './history.ts'

/** Long enough for a method to have learnt what is usual, short enough to be in within seconds. */
const DAYS = 21
const JWT = /eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}/

test('a person in a real browser', { timeout: 240_000 }, async (t) => {
  const system = await startSystem(t)
  await addHistory(system, DAYS)
  const { page, context, complaints } = await openTab(t)
  const [admin] = system.users.filter(({ roles }) => roles.includes('admin'))
  assert.ok(admin)

  const bodies: { url: string; body: Promise<string> }[] = []
  const asked: { url: string; headers: Record<string, string> }[] = []
  page.on('response', (response) => {
    // A stream of events has no end; what it carries is searched by the gateway's own tests.
    if (response.headers()['content-type'] === 'text/event-stream') return
    const body = response.text().catch(() => '(none)')
    bodies.push({ url: response.url(), body })
  })
  page.on('request', async (request) => {
    if (new URL(request.url()).origin !== system.bff) return
    asked.push({ url: request.url(), headers: await request.allHeaders().catch(() => ({})) })
  })
  const signIn = async () => {
    await page.getByTestId('sign-in').click()
    await page.waitForURL((url) => url.origin === system.idp)
    await page.getByLabel('User name').fill(admin.username)
    await page.getByLabel('Password').fill(admin.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL((url) => url.origin === system.bff)
    await page.getByTestId('user').waitFor()
  }
  const number = async (testId: string) => {
    const tile = page.getByTestId(testId)
    await tile.waitFor()
    return Number((await tile.textContent())?.replace(/\D/g, ''))
  }

  await t.test('is asked to sign in, and is not sent away unasked', async () => {
    await page.goto(`${system.bff}/?range=7d`)
    await page.getByTestId('sign-in').waitFor()
    assert.equal(new URL(page.url()).origin, system.bff)
    assert.equal(asked.filter(({ url }) => url.includes('/auth/login')).length, 0)
  })

  await t.test('signs in at the IdP and comes back to where it was', async () => {
    await signIn()
    assert.equal(page.url(), `${system.bff}/?range=7d`)
    assert.match(String(await page.getByTestId('user').textContent()), /Ada Admin/)
  })

  await t.test('sees numbers of all three endpoints', async () => {
    for (const panel of ['workflows', 'authorization', 'anomalies']) {
      await page.getByTestId(`panel-${panel}`).waitFor()
    }
    assert.ok((await number('workflows-runs')) > 100)
    assert.ok((await number('authorization-decisions')) > 100)
    assert.ok((await number('anomalies-count')) > 0)
    for (const path of Object.values(PATHS)) {
      const { pathname } = new URL(path, system.bff)
      const calls = asked.filter(({ url }) => new URL(url).pathname === pathname)
      assert.ok(calls.length > 0, path)
      for (const { headers } of calls) {
        assert.equal(headers.authorization, undefined)
        assert.match(headers.cookie ?? '', /__Host-bff_session/)
      }
    }
    const shots = process.env.BROWSER_SCREENSHOTS
    if (shots !== undefined)
      await page.screenshot({ path: join(shots, 'console.png'), fullPage: true })
  })

  await t.test('sees the other range that it chooses', async () => {
    const before = await number('workflows-runs')
    await page.getByLabel('last 24 hours').check()
    await page.waitForURL('**range=24h')
    await until('fewer runs', async () => (await number('workflows-runs')) < before)
  })

  await t.test('holds no token anywhere that a script could read', async () => {
    const readable = await page.evaluate<string>(
      'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])',
    )
    assert.doesNotMatch(readable, JWT)
    assert.doesNotMatch(readable, /bff_session/)
    const session = (await context.cookies(system.bff)).find(({ name }) =>
      name.includes('bff_session'),
    )
    assert.ok(session)
    const { httpOnly, secure, sameSite } = session
    assert.deepEqual(
      { httpOnly, secure, sameSite },
      { httpOnly: true, secure: true, sameSite: 'Lax' },
    )
  })

  await t.test('signs out, and the next sign-in asks for the password', async () => {
    await page.getByTestId('sign-out').click()
    await page.getByTestId('sign-in').waitFor()
    const session = await page.evaluate<string>("fetch('/api/auth/session').then((r) => r.text())")
    assert.deepEqual(JSON.parse(session), { authenticated: false })
    await signIn()
  })

  await t.test('never gets a token in an answer', async () => {
    for (const path of ['/api/auth/session', '/auth/logout', PATHS.workflows]) {
      assert.ok(
        bodies.some(({ url }) => url.includes(path)),
        path,
      )
    }
    // The stream of the session's events ends with its page.
    await page.goto('about:blank')
    for (const { url, body } of bodies) {
      // Where to sign out at the IdP says who does (OpenID Connect RP-Initiated Logout 1.0 §2); what
      // it says opens nothing: the session has ended, and no backend takes an ID token.
      const text = (await body).replace(/id_token_hint=[^&"]+/, 'id_token_hint=')
      assert.doesNotMatch(text, JWT, url)
    }
  })

  await t.test('meets no error and no violated policy', () => {
    assert.deepEqual(complaints, [])
  })
})
