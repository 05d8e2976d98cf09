import assert from 'node:assert/strict'
import test from 'node:test'
import * as oidc from 'openid-client'
import {
  ACCESS_TOKEN_TYPE,
  claimsOf,
  discover,
  exchange,
  login,
  logoutUrl,
  tokenRequest,
} from './relying-party.ts'
import {
  ADMIN_API,
  AFTER_LOGOUT,
  ANALYTICS,
  CALLBACK,
  CRUD,
  SECRET,
  startIdp,
} from './start-idp.ts'

test('token exchange', async (t) => {
  const idp = await startIdp(t)
  const config = await discover(idp)
  const { tokens } = await login(config)

  await t.test('binds a token to one audience, the user and the client', async () => {
    const { status, body } = await exchange(idp, tokens.access_token, {
      audience: ANALYTICS,
      scope: 'api.read',
    })
    assert.equal(status, 200)
    assert.equal(body.issued_token_type, ACCESS_TOKEN_TYPE)
    assert.equal(body.token_type, 'Bearer')
    assert.equal(body.scope, 'api.read')
    assert.equal(body.refresh_token, undefined)
    const claims = claimsOf(body.access_token)
    assert.equal(claims.aud, ANALYTICS)
    assert.equal(claims.scope, 'api.read')
    assert.equal(claims.sub, 'user-alice')
    assert.deepEqual(claims.act, { sub: 'bff-server' })
    assert.deepEqual(claims.roles, ['admin', 'analyst'])
    assert.ok(Number(claims.exp) - Number(claims.iat) <= 600)
  })

  const granted = [
    {
      name: 'resource in place of audience',
      params: { resource: CRUD, scope: 'crud.read' },
      aud: CRUD,
      scope: ['crud.read'],
    },
    {
      name: 'audience and resource that agree',
      params: { audience: CRUD, resource: CRUD },
      aud: CRUD,
      scope: ['application.all', 'crud.read'],
    },
    {
      name: 'an audience that is no URI',
      params: { audience: 'empowernow' },
      aud: 'empowernow',
      scope: ['application.all'],
    },
    {
      name: 'no scope: all that lead there',
      params: { audience: ANALYTICS },
      aud: ANALYTICS,
      scope: ['api.read', 'api.write', 'application.all'],
    },
    {
      name: 'the broad scope, for compatibility',
      params: { audience: ANALYTICS, scope: 'application.all' },
      aud: ANALYTICS,
      scope: ['application.all'],
    },
  ]
  for (const { name, params, aud, scope } of granted) {
    await t.test(`grants ${name}`, async () => {
      const { status, body } = await exchange(idp, tokens.access_token, params)
      assert.equal(status, 200, JSON.stringify(body))
      const claims = claimsOf(body.access_token)
      assert.equal(claims.aud, aud)
      assert.deepEqual(String(claims.scope).split(' ').sort(), scope)
    })
  }

  const [header, payload, signature] = tokens.access_token.split('.')
  const forged = `${header}.${payload}.${String(signature).split('').reverse().join('')}`
  const refused = [
    {
      name: 'an audience that nothing maps and that is allowed',
      params: { audience: 'https://unmapped.example' },
      error: 'invalid_target',
      says: /^audience 'https:\/\/unmapped.example' is not mapped from any granted scope \(granted: openid profile email application\.all\)$/,
    },
    {
      name: 'an audience that is mapped and not allowed',
      params: { audience: ADMIN_API },
      error: 'invalid_target',
      says: /^audience '.*' is not in allowed_audiences of client 'bff-server'$/,
    },
    {
      name: 'an audience with neither half',
      params: { audience: 'https://x.example' },
      error: 'invalid_target',
      says: /not mapped from any granted scope.*and is not in allowed_audiences/,
    },
    {
      name: 'a trailing slash',
      params: { audience: `${ANALYTICS}/` },
      error: 'invalid_target',
      says: /differ by a trailing slash/,
    },
    {
      name: 'another case',
      params: { audience: 'EmpowerNow' },
      error: 'invalid_target',
      says: /differ by upper and lower case/,
    },
    {
      name: 'a resource that is no URI',
      params: { resource: 'empowernow' },
      error: 'invalid_target',
      says: /absolute URI/,
    },
    {
      name: 'a resource with a fragment',
      params: { resource: `${CRUD}#x` },
      error: 'invalid_target',
      says: /fragment/,
    },
    {
      name: 'two audiences',
      params: { audience: [ANALYTICS, CRUD] },
      error: 'invalid_target',
      says: /exactly one/,
    },
    {
      name: 'an audience and another resource',
      params: { audience: ANALYTICS, resource: CRUD },
      error: 'invalid_target',
      says: /exactly one/,
    },
    { name: 'no audience', params: {}, error: 'invalid_target', says: /name the service/ },
    {
      name: 'a scope that is neither granted nor implied',
      params: { audience: ANALYTICS, scope: 'admin.api' },
      error: 'invalid_scope',
      says: /'admin.api' is neither granted nor implied/,
    },
    {
      name: 'a granted scope that leads elsewhere',
      params: { audience: ANALYTICS, scope: 'api.read crud.read' },
      error: 'invalid_scope',
      says: /'crud.read' is not mapped to audience/,
    },
    {
      name: 'an OpenID scope',
      params: { audience: ANALYTICS, scope: 'openid' },
      error: 'invalid_scope',
      says: /'openid' is not mapped to audience/,
    },
    {
      name: 'an ID token',
      params: { audience: ANALYTICS, subject_token: String(tokens.id_token) },
      error: 'invalid_request',
      says: /not an access token/,
    },
    {
      name: 'a forged signature',
      params: { audience: ANALYTICS, subject_token: forged },
      error: 'invalid_request',
      says: /not signed by this issuer/,
    },
    {
      name: 'nonsense',
      params: { audience: ANALYTICS, subject_token: 'nonsense' },
      error: 'invalid_request',
      says: /not signed by this issuer/,
    },
    {
      name: 'another subject_token_type',
      params: {
        audience: ANALYTICS,
        subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
      },
      error: 'invalid_request',
      says: /subject_token_type/,
    },
    {
      name: 'an actor token',
      params: { audience: ANALYTICS, actor_token: 'x' },
      error: 'invalid_request',
      says: /actor_token/,
    },
    {
      name: 'another requested type',
      params: {
        audience: ANALYTICS,
        requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token',
      },
      error: 'invalid_request',
      says: /requested_token_type/,
    },
  ]
  for (const { name, params, error, says } of refused) {
    await t.test(`refuses ${name}`, async () => {
      const { status, body } = await exchange(idp, tokens.access_token, params)
      assert.equal(status, 400)
      assert.equal(body.error, error)
      assert.match(String(body.error_description), says)
      // RFC 6749 §5.2 limits the characters.
      assert.match(String(body.error_description), /^[\x20-\x21\x23-\x5B\x5D-\x7E]*$/)
    })
  }

  await t.test('refuses a token that was issued to another client', async () => {
    const { body } = await exchange(idp, tokens.access_token, { audience: ANALYTICS }, 'other-bff')
    assert.equal(body.error, 'invalid_request')
    assert.match(String(body.error_description), /another client/)
  })

  await t.test(
    'refuses to exchange a service token again, even for the same audience',
    async () => {
      const first = await exchange(idp, tokens.access_token, { audience: ANALYTICS })
      for (const audience of [CRUD, ANALYTICS]) {
        const { body } = await exchange(idp, String(first.body.access_token), { audience })
        assert.equal(body.error, 'invalid_request')
        assert.match(String(body.error_description), /only a login's own token/)
      }
      const same = await exchange(idp, tokens.access_token, { audience: 'empowernow' })
      const again = await exchange(idp, String(same.body.access_token), { audience: ANALYTICS })
      assert.equal(again.body.error, 'invalid_request')
    },
  )

  await t.test("refuses a machine's token", async () => {
    const machine = await tokenRequest(idp, { grant_type: 'client_credentials' })
    const { body } = await exchange(idp, String(machine.body.access_token))
    assert.equal(body.error, 'invalid_request')
    assert.match(String(body.error_description), /machine/)
  })

  await t.test('never widens what a refresh has narrowed', async () => {
    const { tokens: own } = await login(config)
    const narrow = await oidc.refreshTokenGrant(config, String(own.refresh_token), {
      scope: 'openid',
    })
    const { body } = await exchange(idp, narrow.access_token, { audience: ANALYTICS })
    assert.equal(body.error, 'invalid_target')
    assert.match(String(body.error_description), /granted: openid\)/)
  })

  await t.test('logs a refusal with its reason', () => {
    const line = idp.logs.find(
      ({ message, error }) => message === 'refused' && error === 'invalid_target',
    )
    assert.equal(line?.client, 'bff-server')
    assert.equal(line?.grant_type, 'urn:ietf:params:oauth:grant-type:token-exchange')
    assert.match(String(line?.description), /audience/)
  })
})

test('the end of a login ends its exchanges', async (t) => {
  const idp = await startIdp(t)
  const config = await discover(idp)

  await t.test('revoking the refresh token does', async () => {
    const { tokens } = await login(config)
    const service = await exchange(idp, tokens.access_token)
    await oidc.tokenRevocation(config, String(tokens.refresh_token))
    const { status, body } = await exchange(idp, tokens.access_token)
    assert.equal(status, 400)
    assert.equal(body.error, 'invalid_grant')
    assert.match(String(body.error_description), /has ended/)
    for (const token of [tokens.access_token, service.body.access_token]) {
      assert.deepEqual(await oidc.tokenIntrospection(config, String(token)), { active: false })
    }
    await assert.rejects(oidc.refreshTokenGrant(config, String(tokens.refresh_token)), {
      error: 'invalid_grant',
    })
  })

  await t.test('revoking one access token ends that token only', async () => {
    const { tokens } = await login(config)
    const service = await exchange(idp, tokens.access_token)
    await oidc.tokenRevocation(config, String(service.body.access_token))
    const answer = await oidc.tokenIntrospection(config, String(service.body.access_token))
    assert.equal(answer.active, false)
    assert.equal((await exchange(idp, tokens.access_token)).status, 200)
    await oidc.tokenRevocation(config, tokens.access_token)
    assert.equal((await exchange(idp, tokens.access_token)).body.error, 'invalid_grant')
    await oidc.refreshTokenGrant(config, String(tokens.refresh_token))
  })

  await t.test('signing out at the IdP does, and the password is asked again', async () => {
    const { tokens, browser } = await login(config)
    const earlier = await login(config, { browser })
    const service = await exchange(idp, tokens.access_token)
    assert.equal(service.status, 200)

    const page = await browser.open(logoutUrl(config, tokens.id_token).href)
    assert.match(page.html, /assets\/sign-out\.js/)
    const done = await browser.submit(page, {})
    assert.equal(done.location, AFTER_LOGOUT)

    for (const ended of [tokens, earlier.tokens]) {
      const { body } = await exchange(idp, ended.access_token)
      assert.equal(body.error, 'invalid_grant')
      assert.match(String(body.error_description), /signed out/)
      await assert.rejects(oidc.refreshTokenGrant(config, String(ended.refresh_token)), {
        error: 'invalid_grant',
      })
    }
    const answer = await oidc.tokenIntrospection(config, String(service.body.access_token))
    assert.equal(answer.active, false)
    assert.equal((await login(config, { browser })).asked, true)
  })
})

test('a scope that leads elsewhere is not shown, and still held', async (t) => {
  const clients = {
    admin: {
      ...{ client_secret: SECRET, first_party: true, redirect_uris: [CALLBACK] },
      grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:token-exchange'],
      scopes: ['openid', 'application.all', 'admin.api'],
      allowed_audiences: [ADMIN_API, ANALYTICS],
    },
  }
  const idp = await startIdp(t, { clients })
  const config = await discover(idp, 'admin')
  const { tokens } = await login(config, { scope: 'openid application.all admin.api' })

  // Nothing but OpenID Connect is for 'empowernow', which this client is not allowed.
  assert.equal(claimsOf(tokens.access_token).scope, 'openid')
  assert.equal((await oidc.tokenIntrospection(config, tokens.access_token)).scope, 'openid')
  assert.equal(tokens.refresh_token, undefined)
  for (const [audience, scope] of [
    [ADMIN_API, 'admin.api'],
    [ANALYTICS, 'api.read'],
  ] as const) {
    const { body } = await exchange(idp, tokens.access_token, { audience, scope }, 'admin')
    assert.equal(claimsOf(body.access_token).scope, scope)
  }
})

test('introspection tells what a token says', async (t) => {
  const idp = await startIdp(t)
  const config = await discover(idp)
  const { tokens } = await login(config)
  const service = await exchange(idp, tokens.access_token, { audience: CRUD, scope: 'crud.read' })
  const machine = await tokenRequest(idp, { grant_type: 'client_credentials', audience: CRUD })

  for (const token of [tokens.access_token, service.body.access_token, machine.body.access_token]) {
    const answer = await oidc.tokenIntrospection(config, String(token))
    const claims = claimsOf(token)
    assert.equal(answer.active, true)
    for (const name of ['aud', 'sub', 'scope', 'exp', 'iss', 'client_id', 'jti', 'roles', 'act']) {
      if (name === 'sub' && claims.sub === claims.client_id) continue
      assert.deepEqual(answer[name], claims[name], name)
    }
  }
  const refresh = String(tokens.refresh_token)
  assert.equal((await oidc.tokenIntrospection(config, refresh)).active, true)
  const other = await discover(idp, 'other-bff')
  assert.equal((await oidc.tokenIntrospection(other, refresh)).active, false)
  assert.equal(
    (await oidc.tokenIntrospection(config, `${service.body.access_token}x`)).active,
    false,
  )
})
