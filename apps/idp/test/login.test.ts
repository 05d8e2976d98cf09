import assert from 'node:assert/strict'
import test from 'node:test'
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import * as oidc from 'openid-client'
import { Browser } from './browser.ts'
import { beginLogin, claimsOf, discover, exchange, login, tokenRequest } from './relying-party.ts'
import { ANALYTICS, CALLBACK, CRUD, startIdp } from './start-idp.ts'

test('a login through PAR, PKCE and the password page', async (t) => {
  const idp = await startIdp(t)
  const config = await discover(idp)
  const { tokens } = await login(config)

  await t.test('brings an at+jwt for the default audience, signed ES256', async () => {
    const jwks = createRemoteJWKSet(new URL(`${idp.issuer}/jwks`))
    const { payload, protectedHeader } = await jwtVerify(tokens.access_token, jwks, {
      issuer: idp.issuer,
      audience: 'empowernow',
      typ: 'at+jwt',
    })
    assert.equal(protectedHeader.alg, 'ES256')
    assert.equal(payload.aud, 'empowernow')
    assert.equal(payload.sub, 'user-alice')
    assert.equal(payload.client_id, 'bff-server')
    assert.deepEqual(payload.roles, ['admin', 'analyst'])
    assert.deepEqual(String(payload.scope).split(' ').sort(), [
      'application.all',
      'email',
      'openid',
      'profile',
    ])
    assert.equal(Number(payload.exp) - Number(payload.iat), 600)
    assert.equal(typeof payload.jti, 'string')
    assert.equal(payload.act, undefined)
  })

  await t.test('brings an ID token with the user and the session', () => {
    const claims = claimsOf(tokens.id_token)
    assert.equal(decodeProtectedHeader(String(tokens.id_token)).alg, 'ES256')
    assert.equal(claims.sub, 'user-alice')
    assert.equal(claims.name, 'Alice Adams')
    assert.equal(claims.email, 'alice@example.org')
    assert.deepEqual(claims.roles, ['admin', 'analyst'])
    assert.equal(typeof claims.sid, 'string')
  })

  await t.test('answers the same at userinfo', async () => {
    const info = await oidc.fetchUserInfo(config, tokens.access_token, 'user-alice')
    assert.deepEqual(info.roles, ['admin', 'analyst'])
    assert.equal(info.email, 'alice@example.org')
    assert.equal(info.sid, claimsOf(tokens.id_token).sid)
  })

  await t.test('but userinfo opens to nothing else', async () => {
    const service = await exchange(idp, tokens.access_token)
    const wrong = [undefined, 'nonsense', tokens.id_token, service.body.access_token]
    for (const token of wrong) {
      const answer = await fetch(`${idp.issuer}/userinfo`, {
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      })
      assert.equal(answer.status, 401)
      assert.match(String(answer.headers.get('www-authenticate')), /^Bearer/)
    }
  })

  await t.test('says who issued the answer, and logs it without a token', () => {
    const issued = idp.logs.find(({ message }) => message === 'token issued')
    assert.equal(issued?.aud, 'empowernow')
    assert.equal(issued?.sub, 'user-alice')
    assert.ok(idp.logs.some(({ message }) => message === 'login ok'))
    assert.ok(!JSON.stringify(idp.logs).includes(tokens.access_token))
  })
})

test('the way to a login', async (t) => {
  const idp = await startIdp(t)
  const config = await discover(idp)

  await t.test(
    'a second login of the same browser asks nothing, and has a grant of its own',
    async () => {
      const first = await login(config)
      const second = await login(config, { browser: first.browser })
      assert.equal(second.asked, false)
      const revoked = await tokenRequest(
        idp,
        { token: String(first.tokens.refresh_token) },
        { path: '/revoke' },
      )
      assert.equal(revoked.status, 200)
      await oidc.refreshTokenGrant(config, String(second.tokens.refresh_token))
    },
  )

  await t.test('prompt=none without a session is login_required', async () => {
    const { page, finish } = await beginLogin(config, { prompt: 'none' })
    await assert.rejects(finish(String(page.location)), { error: 'login_required' })
  })

  await t.test('prompt=login asks again in a living session', async () => {
    const { browser } = await login(config)
    const again = await login(config, { browser, prompt: 'login' })
    assert.equal(again.asked, true)
  })

  await t.test('prompt=consent shows a first-party client no consent page', async () => {
    const { tokens } = await login(config, { prompt: 'consent' })
    assert.equal(claimsOf(tokens.access_token).sub, 'user-alice')
  })

  await t.test('several tabs of one browser all come through', async () => {
    const browser = new Browser()
    const tabs = [await beginLogin(config, { browser }), await beginLogin(config, { browser })]
    for (const { page, finish } of tabs) {
      const next = await browser.submit(page, { username: 'alice', password: 'correct horse' })
      const { location } = await browser.follow(String(next.location), CALLBACK)
      assert.equal(claimsOf((await finish(String(location))).access_token).sub, 'user-alice')
    }
  })

  await t.test('without PKCE it is refused', async () => {
    const { status, body } = await tokenRequest(
      idp,
      { response_type: 'code', redirect_uri: CALLBACK, scope: 'openid', client_id: 'bff-server' },
      { path: '/par' },
    )
    assert.equal(status, 400)
    assert.equal(body.error, 'invalid_request')
    assert.match(String(body.error_description), /PKCE/)
  })

  await t.test('a code is worth one token, also when presented twice at once', async () => {
    const { page, browser, finish } = await beginLogin(config)
    const next = await browser.submit(page, { username: 'alice', password: 'correct horse' })
    const { location } = await browser.follow(String(next.location), CALLBACK)
    const both = await Promise.allSettled([finish(String(location)), finish(String(location))])
    assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  })

  await t.test('a user who declines is sent back with access_denied', async () => {
    const { page, browser, finish } = await beginLogin(config)
    const next = await browser.submit(page, {}, '/abort')
    const { location } = await browser.follow(String(next.location), CALLBACK)
    await assert.rejects(finish(String(location)), { error: 'access_denied' })
  })
})

test('resources named at the login (RFC 8707)', async (t) => {
  const idp = await startIdp(t)
  const config = await discover(idp)

  await t.test('one resource gives a token for it alone', async () => {
    const { tokens } = await login(config, { resource: [ANALYTICS] })
    const claims = claimsOf(tokens.access_token)
    assert.equal(claims.aud, ANALYTICS)
    assert.equal(claims.scope, 'application.all')
  })

  await t.test('several give one token each, by refreshing', async () => {
    const { tokens } = await login(config, {
      resource: [ANALYTICS, CRUD],
      tokenParams: { resource: ANALYTICS },
    })
    assert.equal(claimsOf(tokens.access_token).aud, ANALYTICS)
    const crud = await oidc.refreshTokenGrant(config, String(tokens.refresh_token), {
      resource: CRUD,
    })
    assert.equal(claimsOf(crud.access_token).aud, CRUD)
  })

  await t.test(
    'a resource that the client may not ask for is invalid_target, with the reason',
    async () => {
      await assert.rejects(
        beginLogin(config, { resource: ['https://unmapped.example'] }),
        (error) => {
          assert.ok(error instanceof oidc.ResponseBodyError)
          assert.equal(error.error, 'invalid_target')
          assert.match(String(error.error_description), /not mapped from any granted scope/)
          return true
        },
      )
    },
  )

  await t.test('a resource that was not named at the login is not given by a refresh', async () => {
    const { tokens } = await login(config)
    const refresh = oidc.refreshTokenGrant(config, String(tokens.refresh_token), { resource: CRUD })
    await assert.rejects(refresh, { error: 'invalid_target' })
  })
})
