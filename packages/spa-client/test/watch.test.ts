import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTab, type Tab } from '@audience-bridge/testkit/browser.ts'
import { replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { bundle } from './bundle.ts'

type Page = Tab['page']

async function signIn(page: Page, bff: string): Promise<void> {
  await page.goto(`${bff}/auth/login?return_to=/health`)
  // The IdP may know the browser still.
  if (page.url() === `${bff}/health`) return
  await page.getByLabel('User name').fill(USERS.member.username)
  await page.getByLabel('Password').fill(USERS.member.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(`${bff}/health`)
}

test('the tabs of a browser hear what happens to their session', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { crud_service: echo.origin, analytics_service: echo.origin },
    edits: {
      // Every session is about to end: what warns of it need not be waited for.
      'BFF/config/settings.yaml': replace(
        'idle_seconds: 1800\n',
        'idle_seconds: 600\n  warn_seconds: 600\n',
      ),
    },
  })
  const { page: first, context } = await openTab(t)
  const streams: string[] = []
  context.on('request', (request) => {
    if (request.url().endsWith('/api/auth/events')) streams.push(request.url())
  })
  await context.addInitScript(`if (location.origin === '${gateway.bff}') {
    ${await bundle()}
    window.news = []
    window.lost = []
    window.client = AudienceBridge.createClient({
      onSessionLost: (error) => { lost.push(error.reason); return false },
    })
    window.stop = client.watch((told) => news.push(told))
  }`)
  await signIn(first, gateway.bff)
  const second = await context.newPage()
  await second.goto(`${gateway.bff}/health`)
  const pages = [first, second]
  const heard = (page: Page, expression: string) => page.waitForFunction(expression)
  const asAdmin = () =>
    fetch(`${gateway.bff}/admin/sessions?user=user-ben`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${gateway.adminToken}` },
    })

  await t.test('over one connection for all of them', async () => {
    await heard(first, `news.some(({ type, by }) => type === 'expiring' && by === 'idle')`)
    assert.equal(streams.length, 1)
    const at = await first.evaluate(
      `news.find(({ type }) => type === 'expiring').at.getTime() - Date.now()`,
    )
    assert.ok(Number(at) > 0 && Number(at) <= 600_000)
    assert.equal(await second.evaluate('news.length'), 0, 'it came before this tab was there')
    // A call prolongs the session, unless it comes within the same second as the one before.
    await until('the other end', async () => {
      await first.evaluate(`client.fetch('/api/crud/items').then(() => {})`)
      return second.evaluate('news.length > 0')
    })
    // It is told anew, in both.
    await Promise.all(pages.map((page) => heard(page, `news.at(-1)?.type === 'expiring'`)))
    assert.equal(streams.length, 1)
  })

  await t.test('and learn why it has ended, without leaving', async () => {
    await asAdmin()
    for (const page of pages) {
      await heard(page, `news.at(-1)?.type === 'ended' && news.at(-1).reason === 'admin'`)
      assert.deepEqual(await page.evaluate('lost'), ['admin'])
      assert.equal(page.url(), `${gateway.bff}/health`)
      assert.deepEqual(await page.evaluate('client.session()'), { authenticated: false })
    }
  })

  await t.test('and listen again once somebody is signed in', async () => {
    await signIn(second, gateway.bff)
    await until('a stream', () => streams.length >= 2)
    await heard(first, `news.at(-1)?.type === 'expiring'`)
  })

  await t.test('the next tab takes over when the one that listened goes', async () => {
    const before = streams.length
    const waiting = 'navigator.locks.query().then(({ pending }) => pending.length)'
    assert.equal(await first.evaluate(waiting), 1)
    // The first tab has listened since it came back last, or waits: leaving both ways around.
    await first.goto('about:blank')
    await first.goto(`${gateway.bff}/health`)
    await until('both', async () => (await first.evaluate(waiting)) === 1)
    await second.reload()
    await until('another stream', () => streams.length > before)
    await heard(second, 'window.client !== undefined')
    await asAdmin()
    await heard(second, `news.at(-1)?.type === 'ended'`)
  })

  await t.test('a page that signs out itself is not told that its session was lost', async () => {
    await signIn(second, gateway.bff)
    await heard(second, `news.at(-1)?.type === 'expiring'`)
    await second.evaluate(
      `window.addEventListener('pagehide', () => sessionStorage.lost = lost.join())`,
    )
    await second.evaluate(`client.logout({ everywhere: true }).catch(() => {})`).catch(() => {})
    await until('the sign-out', async () => {
      const answer = await context.request.get(`${gateway.bff}/api/auth/session`)
      return ((await answer.json()) as { authenticated: boolean }).authenticated === false
    })
    await second.waitForURL((url) => url.origin !== gateway.bff)
    await second.goto(`${gateway.bff}/health`)
    assert.equal(await second.evaluate('sessionStorage.lost'), '')
  })
})
