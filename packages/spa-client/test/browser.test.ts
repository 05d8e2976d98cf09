import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTab, type Tab } from '@audience-bridge/testkit/browser.ts'
import { replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import { bundle } from './bundle.ts'

type Page = Tab['page']

const WIDE = 'openid profile email application.all offline_access'
const NARROW = 'openid profile email offline_access'
const PATH = '/api/crud/items'

/** What became of one call of the page's client. */
const call = (page: Page, init: object = {}): Promise<string> =>
  page.evaluate(
    `client.fetch('${PATH}', ${JSON.stringify(init)}).then(
       (answer) => answer.json().then(({ method, body }) => method + body),
       (error) => error.code)`,
  )

async function signIn(page: Page): Promise<void> {
  await page.getByLabel('User name').fill(USERS.member.username)
  await page.getByLabel('Password').fill(USERS.member.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

test('in a real browser, over a real BFF and IdP', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { crud_service: echo.origin, analytics_service: echo.origin },
    edits: { 'BFF/config/settings.yaml': replace(WIDE, NARROW) },
  })
  const { page: first, context } = await openTab(t)
  await context.addInitScript(`if (location.origin === '${gateway.bff}') {
    ${await bundle()}
    window.heard = []
    window.client = AudienceBridge.createClient()
    client.onSessionChange(({ authenticated, user }) => heard.push(authenticated ? user.sub : ''))
    client.session()
  }`)
  const second = await context.newPage()
  const pages = [first, second]
  // Any page of the BFF's origin will do.
  const here = [`${gateway.bff}/health?tab=1#here`, `${gateway.bff}/health?tab=2#there`]
  await Promise.all(pages.map((page, i) => page.goto(here[i] ?? '')))
  const heard = (page: Page, last: string) =>
    page.waitForFunction(`window.heard?.at(-1) === ${JSON.stringify(last)}`)

  await t.test('of two tabs with many calls one leaves for the login', async () => {
    await Promise.all(pages.map((page) => heard(page, '')))
    const outcomes = pages.map((page) =>
      Promise.all([call(page), call(page), call(page)]).then(
        (codes) => codes.join(),
        // The page went away under the call.
        () => 'left',
      ),
    )
    const settled = await Promise.all(outcomes)
    assert.deepEqual(settled.toSorted(), [
      'SESSION_REQUIRED,SESSION_REQUIRED,SESSION_REQUIRED',
      'left',
    ])
    const leaver = settled[0] === 'left' ? first : second
    await signIn(leaver)
    await leaver.waitForURL(`${gateway.bff}/**`)
    assert.equal(leaver.url(), here[pages.indexOf(leaver)])
  })

  await t.test('and the other hears that somebody is signed in', async () => {
    await Promise.all(pages.map((page) => heard(page, 'user-ben')))
  })

  await t.test('a missing token is no reason to leave', async () => {
    assert.equal(await call(first), 'NO_TOKEN_AVAILABLE')
    assert.equal(first.url(), here[0])
  })

  await t.test('a wider grant is fetched without a question, and the call works', async () => {
    await gateway.restartBff({ 'BFF/config/settings.yaml': replace(NARROW, WIDE) })
    assert.equal(await call(second, { method: 'POST', body: 'x' }), 'REAUTHORIZATION_REQUIRED')
    const visited: string[] = []
    first.on('framenavigated', (frame) => visited.push(frame.url()))
    await call(first).catch(() => {})
    await first.waitForURL(here[0] ?? '')
    await heard(first, 'user-ben')
    assert.deepEqual(visited, [here[0]], 'no page in between')
    assert.equal(await call(first), 'GET')
  })

  await t.test('an unsafe call proves itself, in each tab, under the new session', async () => {
    for (const page of pages) assert.equal(await call(page, { method: 'POST', body: '!' }), 'POST!')
    assert.equal(echo.arrivals.at(-1)?.headers['x-csrf-token'], undefined)
  })

  await t.test('signing out here is heard there', async () => {
    await first.evaluate('void client.logout()')
    await heard(second, '')
    await first.waitForURL(`${gateway.bff}/`)
    assert.equal(await call(second, { method: 'POST' }), 'SESSION_REQUIRED')
  })
})
