import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import test, { type TestContext } from 'node:test'
import * as oidc from 'openid-client'
import { chromium, type Page } from 'playwright-core'
import { claimsOf, discover } from './relying-party.ts'
import { PASSWORD, SECRET, startIdp } from './start-idp.ts'

/** Debian's; another one by the environment. */
const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium'

interface Place {
  origin: string
  /** The address of the next request that is no icon. */
  visited(): Promise<URL>
}

/** The client's own origin, where the browser is sent back to. */
async function startClientSite(t: TestContext): Promise<Place> {
  const server: Server = createServer((_req, res) => {
    res.setHeader('content-type', 'text/html')
    res.end('<!doctype html><title>client</title>')
  }).listen(0, 'localhost')
  await once(server, 'listening')
  t.after(() => server.close())
  t.after(() => server.closeAllConnections())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const origin = `http://localhost:${port}`
  const visited = async (): Promise<URL> => {
    const [req] = await once(server, 'request')
    return req.url === '/favicon.ico' ? visited() : new URL(req.url, origin)
  }
  return { origin, visited }
}

test('a real browser signs in and out', async (t) => {
  const site = await startClientSite(t)
  const idp = await startIdp(t, {
    clients: {
      app: {
        ...{ client_secret: SECRET, first_party: true, scopes: ['openid', 'profile'] },
        grant_types: ['authorization_code'],
        redirect_uris: [`${site.origin}/callback`],
        post_logout_redirect_uris: [`${site.origin}/bye`],
        frontchannel_logout_uri: `${site.origin}/front`,
      },
    },
  })
  const config = await discover(idp, 'app')
  const browser = await chromium.launch({ executablePath: EXECUTABLE, args: ['--no-sandbox'] })
  t.after(() => browser.close())
  const page = await browser.newPage()
  const complaints: string[] = []
  page.on('console', (message) => complaints.push(message.text()))

  const begin = async () => {
    const verifier = oidc.randomPKCECodeVerifier()
    const url = await oidc.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: `${site.origin}/callback`,
      scope: 'openid profile',
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    })
    const finish = (callback: URL) =>
      oidc.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier })
    return { url: url.href, finish }
  }
  const signIn = async (on: Page) => {
    await on.getByLabel('User name').fill('alice')
    await on.getByLabel('Password').fill(PASSWORD)
    const callback = site.visited()
    await on.getByRole('button', { name: 'Sign in' }).click()
    return callback
  }

  const first = await begin()
  await page.goto(first.url)
  await t.test('the page is styled, and the cursor is in the first field', async () => {
    assert.equal(await page.evaluate('document.activeElement.id'), 'username')
    const radius = await page.evaluate(
      "getComputedStyle(document.querySelector('main')).borderRadius",
    )
    assert.equal(radius, '14px')
    const shots = process.env.IDP_SCREENSHOTS
    if (shots !== undefined) {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        await page.screenshot({ path: `${shots}/login-${colorScheme}.png` })
      }
    }
  })

  const tokens = await first.finish(await signIn(page))
  await t.test('the session answers the next time', async () => {
    const callback = site.visited()
    await page.goto((await begin()).url)
    assert.equal((await callback).pathname, '/callback')
  })

  await t.test('signing out takes no click, and the password is asked again', async () => {
    const front = site.visited()
    const url = oidc.buildEndSessionUrl(config, {
      id_token_hint: String(tokens.id_token),
      post_logout_redirect_uri: `${site.origin}/bye`,
    })
    const bye = front.then(() => site.visited())
    await page.goto(url.href)
    const called = await front
    assert.equal(called.pathname, '/front')
    assert.equal(called.searchParams.get('sid'), claimsOf(tokens.id_token).sid)
    assert.equal((await bye).pathname, '/bye')
    await page.goto((await begin()).url)
    assert.equal((await signIn(page)).pathname, '/callback')
  })

  await t.test('and nothing broke a content security policy', () => {
    assert.deepEqual(
      complaints.filter((text) => /Content.Security.Policy/i.test(text)),
      [],
    )
  })
})
