import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import test, { type TestContext } from 'node:test'
import { idpClientsSchema } from '@audience-bridge/chain/idp-clients.ts'
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose'
import * as oidc from 'openid-client'
import { discover } from './relying-party.ts'
import { ANALYTICS, startIdp, type TestIdp } from './start-idp.ts'

const MACHINE = {
  token_endpoint_auth_method: 'private_key_jwt',
  grant_types: ['client_credentials'],
  scopes: ['api.write'],
  allowed_audiences: [ANALYTICS],
}

interface Published {
  kid: string
  privateKey: CryptoKey
  jwk: Record<string, unknown>
}

async function makeKey(kid: string): Promise<Published> {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  return {
    kid,
    privateKey,
    jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig', alg: 'ES256' },
  }
}

/** A client's server that publishes its keys and counts who asks. */
async function publish(t: TestContext, headers: Record<string, string> = {}) {
  const site = {
    keys: [] as Published[],
    asked: 0,
    uri: '',
    redirect: undefined as string | undefined,
  }
  const server = createServer((_req, res) => {
    site.asked++
    if (site.redirect !== undefined) {
      res.writeHead(302, { location: site.redirect }).end()
      return
    }
    res.writeHead(200, { 'content-type': 'application/json', ...headers })
    res.end(JSON.stringify({ keys: site.keys.map(({ jwk }) => jwk) }))
  }).listen(0, 'localhost')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  site.uri = `http://localhost:${address.port}/jwks.json`
  return site
}

function assertion(idp: TestIdp, key: Published, claims: Record<string, unknown> = {}) {
  return new SignJWT({ jti: crypto.randomUUID(), ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: key.kid })
    .setIssuer('c')
    .setSubject('c')
    .setAudience(idp.issuer)
    .setIssuedAt()
    .setExpirationTime('60s')
    .sign(key.privateKey)
}

async function present(idp: TestIdp, jwt: string): Promise<number> {
  const { status } = await fetch(`${idp.issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      ...{ grant_type: 'client_credentials', audience: ANALYTICS, client_assertion: jwt },
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    }),
  })
  return status
}

test('the keys at a jwks_uri', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  const pass = (seconds: number) => t.mock.timers.setTime(Date.now() + seconds * 1000)
  const site = await publish(t, { 'cache-control': 'max-age=31536000' })
  const [first, second] = [await makeKey('first'), await makeKey('second')]
  site.keys = [first]
  const idp = await startIdp(t, { clients: { c: { ...MACHINE, jwks_uri: site.uri } } })
  const signedBy = async (key: Published) => present(idp, await assertion(idp, key))

  await t.test('are kept', async () => {
    for (let call = 0; call < 3; call++) assert.equal(await signedBy(first), 200)
    assert.equal(site.asked, 1)
  })

  await t.test('are looked at again at once when a new one signs', async () => {
    site.keys = [second, first]
    assert.equal(await signedBy(second), 200)
    assert.equal(await signedBy(first), 200)
    assert.equal(site.asked, 2)
  })

  await t.test('are asked for once a second at most, whatever is made up', async () => {
    pass(1)
    const before = site.asked
    const made = await Promise.all(['x', 'y', 'z'].map(makeKey))
    for (const key of [...made, ...made]) assert.equal(await signedBy(key), 401)
    assert.equal(site.asked, before + 1)
  })

  await t.test('are forgotten after ten minutes, whatever their server said', async () => {
    site.keys = [second]
    assert.equal(await signedBy(first), 200)
    pass(601)
    assert.equal(await signedBy(first), 401)
  })

  await t.test('are not fetched from where a redirect leads', async (t) => {
    const elsewhere = await publish(t)
    elsewhere.keys = [await makeKey('elsewhere')]
    site.redirect = elsewhere.uri
    pass(601)
    const [stranger] = elsewhere.keys
    assert.ok(stranger)
    assert.equal(await signedBy(stranger), 401)
    assert.equal(elsewhere.asked, 0)
    site.redirect = undefined
    assert.equal(await signedBy(second), 200)
  })
})

test('a jwks_uri by http is for this machine alone', () => {
  const read = (uri: string) => idpClientsSchema.safeParse({ c: { ...MACHINE, jwks_uri: uri } })
  assert.equal(read('http://127.0.0.1:1/jwks').success, true)
  assert.equal(read('https://bff.example/jwks').success, true)
  for (const uri of ['http://bff.example/jwks', 'http://localhost.example/', 'http://10.0.0.1/']) {
    assert.equal(read(uri).success, false, uri)
  }
})

test('a client assertion', async (t) => {
  const key = await makeKey('k')
  const clients = { c: { ...MACHINE, jwks: { keys: [key.jwk] } } }
  const idp = await startIdp(t, { clients })

  await t.test('of a library of its own opens the token endpoint', async () => {
    const config = await discover(idp, 'c', oidc.PrivateKeyJwt({ key: key.privateKey, kid: 'k' }))
    await oidc.clientCredentialsGrant(config, { audience: ANALYTICS })
    await oidc.clientCredentialsGrant(config, { audience: ANALYTICS })
  })

  const refused = [
    ['for another issuer', { aud: 'https://elsewhere.example' }],
    ['of another client', { iss: 'bff-server' }],
    ['without an end', { exp: undefined }],
    ['that has ended', { exp: Math.floor(Date.now() / 1000) - 120 }],
    ['without an id', { jti: undefined }],
  ] as const
  for (const [name, claims] of refused) {
    await t.test(`${name} is refused`, async () => {
      const good = { jti: crypto.randomUUID(), iss: 'c', sub: 'c', aud: idp.issuer }
      const exp = Math.floor(Date.now() / 1000) + 60
      const jwt = await new SignJWT(JSON.parse(JSON.stringify({ ...good, exp, ...claims })))
        .setProtectedHeader({ alg: 'ES256', kid: key.kid })
        .sign(key.privateKey)
      assert.equal(await present(idp, jwt), 401)
    })
  }

  await t.test('is good once, of five at the same moment too', async () => {
    const jwt = await assertion(idp, key)
    const five = await Promise.all(Array.from({ length: 5 }, () => present(idp, jwt)))
    assert.deepEqual(five.sort(), [200, 401, 401, 401, 401])
  })

  await t.test('is good once across a restart', async (t) => {
    const jwt = await assertion(idp, key)
    assert.equal(await present(idp, jwt), 200)
    await idp.close()
    const { dataDir, origin } = idp
    const again = await startIdp(t, { clients, dataDir, port: Number(new URL(origin).port) })
    assert.equal(await present(again, jwt), 401)
    assert.equal(await present(again, await assertion(again, key)), 200)
  })
})
