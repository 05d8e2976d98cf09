import assert from 'node:assert/strict'
import test from 'node:test'
import * as oidc from 'openid-client'
import { Browser } from './browser.ts'
import { beginLogin, claimsOf, discover, login, logoutUrl } from './relying-party.ts'
import { AFTER_LOGOUT, ANALYTICS, CALLBACK, PASSWORD, startIdp } from './start-idp.ts'

test('the sign-in page', async (t) => {
  const idp = await startIdp(t)
  const config = await discover(idp)

  await t.test('has a form with username and password, and nothing from elsewhere', async () => {
    const { page } = await beginLogin(config)
    assert.match(page.html, /<input id="username" name="username"[^>]*autocomplete="username"/)
    assert.match(page.html, /<input id="password" name="password" type="password"/)
    assert.match(page.html, /<label for="username">/)
    assert.doesNotMatch(page.html, /<script|<style|style=|https?:/)
    const csp = String(page.headers.get('content-security-policy'))
    for (const part of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"]) {
      assert.ok(csp.includes(part), csp)
    }
    assert.doesNotMatch(csp, /unsafe/)
    assert.equal(page.headers.get('x-frame-options'), 'DENY')
    assert.equal(page.headers.get('cache-control'), 'no-store')
  })

  await t.test('names its cookies by its port and keeps them from scripts', async () => {
    const { browser } = await login(config)
    const port = new URL(idp.issuer).port
    assert.ok(browser.cookies.some(({ name }) => name === `_idp_session_${port}`))
    assert.ok(browser.cookies.every(({ name, path }) => name.includes(port) && path !== '/'))
  })

  await t.test('answers a wrong password and an unknown user alike', async () => {
    const pages = []
    for (const username of ['bob', 'nobody']) {
      const { page, browser } = await beginLogin(config)
      pages.push(await browser.submit(page, { username, password: 'wrong' }))
    }
    const [known, unknown] = pages.map(({ html, status }) => ({
      status,
      html: html.replaceAll(/interaction\/[\w-]+|value="[^"]*"/g, ''),
    }))
    assert.equal(known?.status, 422)
    assert.match(String(known?.html), /role="alert"[^>]*>The user name or the password is wrong/)
    assert.deepEqual(known, unknown)
    const failures = idp.logs.filter(({ message }) => message === 'login failed')
    assert.equal(failures.length, 2)
    assert.ok(!JSON.stringify(failures).includes('nobody'))
  })

  await t.test('goes on after a wrong password', async () => {
    const { page, browser, finish } = await beginLogin(config)
    const again = await browser.submit(page, { username: 'alice', password: 'wrong' })
    const next = await browser.submit(again, { username: 'alice', password: PASSWORD })
    const { location } = await browser.follow(String(next.location), CALLBACK)
    assert.equal(claimsOf((await finish(String(location))).access_token).sub, 'user-alice')
  })

  await t.test('refuses the sixth guess without looking at it', async () => {
    const { page, browser } = await beginLogin(config)
    for (let guess = 0; guess < 5; guess++) {
      await browser.submit(page, { username: 'guessed', password: `guess ${guess}` })
    }
    const sixth = await browser.submit(page, { username: 'guessed', password: 'guess 6' })
    assert.equal(sixth.status, 429)
    assert.ok(Number(sixth.headers.get('retry-after')) > 0)
    const other = await browser.submit(page, { username: 'alice', password: PASSWORD })
    assert.equal(other.status, 303)
  })

  await t.test('refuses a form from another origin on the same host', async () => {
    const { page, browser } = await beginLogin(config)
    const cookie = browser.cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
    const post = (origin: string) =>
      fetch(page.url, {
        method: 'POST',
        headers: { cookie, origin },
        body: new URLSearchParams({ username: 'alice', password: PASSWORD }),
        redirect: 'manual',
      })
    for (const origin of ['http://localhost:1', 'null', 'https://evil.example']) {
      assert.equal((await post(origin)).status, 403, origin)
    }
    assert.equal((await post(idp.origin)).status, 303)
  })

  await t.test('belongs to the browser that began: another one sees none', async () => {
    const { page } = await beginLogin(config)
    const stranger = await new Browser().open(page.url)
    assert.equal(stranger.status, 400)
    assert.match(stranger.html, /expired/)
  })

  await t.test('shows a login_hint as text, never as markup', async () => {
    const browser = new Browser()
    const verifier = oidc.randomPKCECodeVerifier()
    const url = await oidc.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: CALLBACK,
      scope: 'openid',
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      login_hint: '"><script>alert(1)</script>',
    })
    const page = await browser.follow(url.href, CALLBACK)
    assert.doesNotMatch(page.html, /<script/)
    assert.match(page.html, /value="&#34;&#62;&#60;script&#62;/)
  })

  await t.test('and the style sheet it names is there', async () => {
    const sheet = await fetch(`${idp.issuer}/assets/idp.css`)
    assert.equal(sheet.status, 200)
    assert.match(String(sheet.headers.get('content-type')), /^text\/css/)
  })
})

test('a client that is not ours asks for consent', async (t) => {
  const idp = await startIdp(t)
  const config = await discover(idp, 'third-party')
  const { page, browser, finish } = await beginLogin(config, { resource: [ANALYTICS] })
  const signedIn = await browser.submit(page, { username: 'alice', password: PASSWORD })
  const consent = await browser.follow(String(signedIn.location), CALLBACK)

  assert.match(consent.html, /Allow access\?/)
  assert.match(consent.html, /third-party/)
  assert.ok(consent.html.includes(ANALYTICS))
  assert.match(consent.html, /application\.all/)
  const allowed = await browser.submit(consent, {})
  const { location } = await browser.follow(String(allowed.location), CALLBACK)
  assert.equal(claimsOf((await finish(String(location))).access_token).aud, ANALYTICS)

  await t.test('once for what was granted', async () => {
    const again = await login(config, { browser, resource: [ANALYTICS] })
    assert.equal(again.asked, false)
  })

  await t.test('and Deny sends the user back with access_denied', async () => {
    const fresh = await beginLogin(config)
    const next = await fresh.browser.submit(fresh.page, { username: 'bob', password: PASSWORD })
    const asked = await fresh.browser.follow(String(next.location), CALLBACK)
    const denied = await fresh.browser.submit(asked, {}, '/abort')
    const back = await fresh.browser.follow(String(denied.location), CALLBACK)
    await assert.rejects(fresh.finish(String(back.location)), { error: 'access_denied' })
  })
})

test('signing out at the IdP', async (t) => {
  const idp = await startIdp(t)
  const config = await discover(idp)

  await t.test('needs no click with an ID token of the user', async () => {
    const { tokens, browser } = await login(config)
    const page = await browser.open(logoutUrl(config, tokens.id_token).href)
    assert.match(page.html, /<script src="\/api\/oidc\/assets\/sign-out\.js">/)
    assert.match(page.html, /<noscript><button/)
    assert.match(String(page.headers.get('content-security-policy')), /script-src 'self'/)
    const script = await fetch(`${idp.issuer}/assets/sign-out.js`)
    assert.match(await script.text(), /requestSubmit/)
  })

  await t.test('asks without one, and with one of somebody else', async () => {
    const bob = await login(config, { username: 'bob' })
    const { browser } = await login(config)
    for (const hint of [undefined, bob.tokens.id_token]) {
      const page = await browser.open(logoutUrl(config, hint).href)
      assert.match(page.html, /Sign out\?/)
      assert.doesNotMatch(page.html, /<script/)
    }
    assert.equal((await login(config, { browser })).asked, false)
  })

  await t.test('stays signed in when the user says so', async () => {
    const { browser } = await login(config)
    const page = await browser.open(logoutUrl(config, undefined).href)
    await browser.submit(page, {})
    assert.equal((await login(config, { browser })).asked, false)
  })

  await t.test('returns to registered addresses only', async () => {
    const { tokens, browser } = await login(config)
    const url = logoutUrl(config, tokens.id_token)
    url.searchParams.set('post_logout_redirect_uri', 'https://evil.example/')
    const page = await browser.open(url.href)
    assert.equal(page.status, 400)
    assert.match(page.html, /not registered/)
  })

  await t.test('works in a browser that has no session any more', async () => {
    const { tokens } = await login(config)
    const browser = new Browser()
    const page = await browser.open(logoutUrl(config, tokens.id_token).href)
    const done = await browser.submit(page, {})
    assert.equal(done.location, AFTER_LOGOUT)
  })
})
