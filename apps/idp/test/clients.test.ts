import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import test from 'node:test'
import { findDeadEnds } from '@audience-bridge/chain/dead-ends.ts'
import { idpClientSchema } from '@audience-bridge/chain/idp-clients.ts'
import { exportJWK, generateKeyPair } from 'jose'
import * as oidc from 'openid-client'
import { registerClients } from '../src/clients.ts'
import { beginLogin, claimsOf, discover, tokenRequest } from './relying-party.ts'
import { ANALYTICS, CRUD, SECRET, startIdp } from './start-idp.ts'

test('client credentials', async (t) => {
  const idp = await startIdp(t)
  const ask = (params: Record<string, string | string[]>) =>
    tokenRequest(idp, { grant_type: 'client_credentials', ...params })

  const granted = [
    { params: {}, aud: 'empowernow', scope: 'application.all' },
    { params: { audience: ANALYTICS, scope: 'api.read' }, aud: ANALYTICS, scope: 'api.read' },
    { params: { resource: CRUD, scope: 'crud.read' }, aud: CRUD, scope: 'crud.read' },
  ]
  for (const { params, aud, scope } of granted) {
    await t.test(`grants ${JSON.stringify(params)}`, async () => {
      const { body } = await ask(params)
      const claims = claimsOf(body.access_token)
      assert.equal(claims.aud, aud)
      assert.equal(claims.scope, scope)
      assert.equal(claims.sub, 'bff-server')
      assert.equal(claims.act, undefined)
      assert.equal(claims.roles, undefined)
      assert.equal(body.refresh_token, undefined)
    })
  }

  const refused = [
    { params: { audience: 'https://unmapped.example' }, error: 'invalid_target' },
    { params: { audience: [ANALYTICS, CRUD] }, error: 'invalid_target' },
    { params: { audience: ANALYTICS, scope: 'admin.api' }, error: 'invalid_scope' },
    { params: { audience: ANALYTICS, scope: 'openid' }, error: 'invalid_scope' },
  ]
  for (const { params, error } of refused) {
    await t.test(`refuses ${JSON.stringify(params)}`, async () => {
      const { status, body } = await ask(params)
      assert.equal(status, 400)
      assert.equal(body.error, error)
      assert.ok(body.error_description)
    })
  }

  await t.test('says that the default audience was meant when none was named', async () => {
    const config = await discover(idp, 'machine', oidc.ClientSecretPost(SECRET))
    await assert.rejects(oidc.clientCredentialsGrant(config), (error) => {
      assert.ok(error instanceof oidc.ResponseBodyError)
      assert.match(String(error.error_description), /names neither audience nor resource/)
      return true
    })
  })
})

test('clients authenticate', async (t) => {
  const inline = await generateKeyPair('ES256')
  const remote = await generateKeyPair('ES256')
  const jwks = createServer((_req, res) => {
    void exportJWK(remote.publicKey).then((key) => {
      res.setHeader('content-type', 'application/json')
      res.end(JSON.stringify({ keys: [{ ...key, use: 'sig', alg: 'ES256' }] }))
    })
  }).listen(0, 'localhost')
  await once(jwks, 'listening')
  t.after(() => jwks.close())
  const address = jwks.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0

  const machine = {
    token_endpoint_auth_method: 'private_key_jwt',
    grant_types: ['client_credentials'],
    scopes: ['api.write'],
    allowed_audiences: [ANALYTICS],
  }
  const idp = await startIdp(t, {
    clients: {
      'by-jwks': { ...machine, jwks: { keys: [await exportJWK(inline.publicKey)] } },
      'by-uri': { ...machine, jwks_uri: `http://localhost:${port}/` },
    },
  })
  const cases = [
    { name: 'client_secret_post', id: 'machine', auth: oidc.ClientSecretPost(SECRET), works: true },
    {
      name: 'private_key_jwt with jwks',
      id: 'by-jwks',
      auth: oidc.PrivateKeyJwt(inline.privateKey),
      works: true,
    },
    {
      name: 'private_key_jwt with jwks_uri',
      id: 'by-uri',
      auth: oidc.PrivateKeyJwt(remote.privateKey),
      works: true,
    },
    {
      name: 'a key that is not registered',
      id: 'by-jwks',
      auth: oidc.PrivateKeyJwt(remote.privateKey),
      works: false,
    },
    { name: 'a wrong secret', id: 'machine', auth: oidc.ClientSecretPost('wrong'), works: false },
    {
      name: 'a secret for a client with a key',
      id: 'by-jwks',
      auth: oidc.ClientSecretPost(SECRET),
      works: false,
    },
    {
      name: 'a disabled client',
      id: 'disabled',
      auth: oidc.ClientSecretBasic(SECRET),
      works: false,
    },
  ]
  for (const { name, id, auth, works } of cases) {
    await t.test(`${works ? 'with' : 'but not with'} ${name}`, async () => {
      const config = await discover(idp, id, auth)
      const grant = oidc.clientCredentialsGrant(config, { audience: ANALYTICS })
      if (works) assert.equal(claimsOf((await grant).access_token).sub, id)
      else await assert.rejects(grant, { status: 401 })
    })
  }
})

test('a client without scopes gets none', async (t) => {
  const clients = {
    bare: {
      client_secret: SECRET,
      first_party: true,
      grant_types: ['authorization_code', 'client_credentials'],
      redirect_uris: ['http://localhost:9/auth/callback'],
      scopes: [],
      allowed_audiences: ['empowernow', ANALYTICS],
    },
  }
  const idp = await startIdp(t, { clients })
  const config = await discover(idp, 'bare')
  await assert.rejects(beginLogin(config, { scope: 'openid application.all' }), {
    error: 'invalid_scope',
  })
  const params = { grant_type: 'client_credentials', audience: ANALYTICS, scope: 'api.read' }
  const { body } = await tokenRequest(idp, params, { clientId: 'bare' })
  assert.equal(body.error, 'invalid_target')
})

test('a client entry that cannot work stops the start and is named', async (t) => {
  const base = idpClientSchema.parse({ scopes: [], grant_types: ['client_credentials'] })
  const cases = [
    { name: 'no secret', entry: base, says: /client "c" has no client_secret/ },
    {
      name: 'a missing secret file',
      entry: { ...base, client_secret: 'file:/nowhere/x' },
      says: /client "c": .*\/nowhere\/x/,
    },
    {
      name: 'no key',
      entry: { ...base, token_endpoint_auth_method: 'private_key_jwt' as const },
      says: /give it jwks or jwks_uri/,
    },
  ]
  for (const { name, entry, says } of cases) {
    await t.test(name, () => assert.match(registerClients({ c: entry }, []).faults.join(), says))
  }
  await t.test('a login client without a redirect address', async (t) => {
    const clients = {
      c: { client_secret: SECRET, grant_types: ['authorization_code'], scopes: [] },
    }
    await assert.rejects(startIdp(t, { clients }), /client "c" cannot be registered: redirect_uris/)
  })
})

test('broken links are warnings', async (t) => {
  const idp = await startIdp(t)
  const warnings = idp.logs.filter(({ message }) => message === 'broken link')
  assert.ok(
    warnings.some(({ broken }) =>
      String(broken).includes('"https://unmapped.example", which no scope'),
    ),
  )

  const mappings = [{ scope: 'a', audiences: ['x'], implies: ['ghost'] }]
  const client = idpClientSchema.parse({
    ...{ scopes: ['openid', 'unknown'], allowed_audiences: ['x'], grant_types: [] },
    backchannel_logout_uri: 'http://bff.example/auth/backchannel-logout',
    frontchannel_logout_uri: 'https://bff.example/auth/frontchannel-logout',
  })
  const broken = findDeadEnds(
    { token: { ...idp.settings.token, audience_mappings: { scope_mappings: mappings } } },
    { c: client, off: { ...client, enabled: false } },
  )
  assert.equal(broken.length, 4)
  assert.match(String(broken[0]), /implies "ghost"/)
  assert.match(String(broken[1]), /backchannel_logout_uri "http:.*told of no sign-out/)
  assert.match(String(broken[2]), /scope "unknown"/)
  assert.match(String(broken[3]), /none of its scopes/)
})
