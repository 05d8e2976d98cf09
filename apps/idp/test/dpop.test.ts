import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test from 'node:test'
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  type JWK,
  SignJWT,
} from 'jose'
import * as oidc from 'openid-client'
import {
  beginLogin,
  claimsOf,
  discover,
  EXCHANGE,
  exchange,
  login,
  tokenRequest,
} from './relying-party.ts'
import { ANALYTICS, CALLBACK, CRUD, PASSWORD, SECRET, startIdp, type TestIdp } from './start-idp.ts'

interface Key {
  pair: { publicKey: CryptoKey; privateKey: CryptoKey }
  jwk: JWK
  thumbprint: string
}

async function makeKey(): Promise<Key> {
  const pair = await generateKeyPair('ES256', { extractable: true })
  const jwk = await exportJWK(pair.publicKey)
  return { pair, jwk, thumbprint: await calculateJwkThumbprint(jwk) }
}

/** A proof as it goes over the wire, also as no library would make it. */
function proofOf(
  idp: TestIdp,
  key: Key,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  return new SignJWT({
    ...{ jti: crypto.randomUUID(), htm: 'POST', htu: `${idp.issuer}/token` },
    ...{ iat: Math.floor(Date.now() / 1000), ...claims },
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: key.jwk, ...header })
    .sign(key.pair.privateKey)
}

const athOf = (token: string) => createHash('sha256').update(token).digest('base64url')

test('tokens are bound to the key that a request proves', async (t) => {
  const idp = await startIdp(t)
  const config = await discover(idp)
  const key = await makeKey()
  const dpop = oidc.getDPoPHandle(config, key.pair)
  const { tokens } = await login(config, { dpop })
  const service = await oidc.genericGrantRequest(
    config,
    EXCHANGE,
    {
      ...{ subject_token: tokens.access_token, audience: ANALYTICS },
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    },
    { DPoP: dpop },
  )
  const machine = await oidc.clientCredentialsGrant(config, { audience: CRUD }, { DPoP: dpop })
  const refreshed = await oidc.refreshTokenGrant(config, String(tokens.refresh_token), undefined, {
    DPoP: dpop,
  })

  for (const [name, answer] of Object.entries({ tokens, service, machine, refreshed })) {
    await t.test(`by its answer, its claims and introspection: ${name}`, async () => {
      assert.equal(answer.token_type, 'dpop')
      assert.deepEqual(claimsOf(answer.access_token).cnf, { jkt: key.thumbprint })
      const seen = await oidc.tokenIntrospection(config, answer.access_token)
      assert.equal(seen.active, true)
      assert.equal(seen.token_type, 'DPoP')
      assert.deepEqual(seen.cnf, { jkt: key.thumbprint })
    })
  }

  await t.test('and are Bearer tokens without a proof', async () => {
    const plain = await login(config)
    const { body } = await exchange(idp, plain.tokens.access_token)
    const own = await tokenRequest(idp, { grant_type: 'client_credentials', audience: CRUD })
    for (const token of [plain.tokens.access_token, body.access_token, own.body.access_token]) {
      assert.equal(claimsOf(token).cnf, undefined)
    }
    assert.equal(body.token_type, 'Bearer')
    assert.equal(own.body.token_type, 'Bearer')
  })

  await t.test('and only their key exchanges them', async () => {
    const thief = await makeKey()
    const proofs = [undefined, await proofOf(idp, thief)]
    for (const proof of proofs) {
      const headers = proof === undefined ? undefined : { dpop: proof }
      const { status, body } = await exchange(
        idp,
        tokens.access_token,
        { audience: ANALYTICS },
        'bff-server',
        headers,
      )
      assert.equal(status, 400)
      assert.equal(body.error, 'invalid_request')
      assert.match(String(body.error_description), /bound to a key/)
    }
    const headers = { dpop: await proofOf(idp, key) }
    const params = { audience: ANALYTICS }
    const own = await exchange(idp, tokens.access_token, params, 'bff-server', headers)
    assert.equal(own.status, 200)
  })

  await t.test('and only their key opens userinfo', async () => {
    const info = await oidc.fetchUserInfo(config, tokens.access_token, 'user-alice', { DPoP: dpop })
    assert.equal(info.sub, 'user-alice')

    const at = { htm: 'GET', htu: `${idp.issuer}/userinfo` }
    const { access_token: token } = tokens
    const plain = (await login(config)).tokens.access_token
    const used = await proofOf(idp, key, { ...at, ath: athOf(token) })
    const refused: [name: string, scheme: string, token: string, proof?: string][] = [
      ['as Bearer', 'Bearer', token],
      ['as Bearer with its proof', 'Bearer', token, used],
      ['without a proof', 'DPoP', token],
      [
        'another key',
        'DPoP',
        token,
        await proofOf(idp, await makeKey(), { ...at, ath: athOf(token) }),
      ],
      ['another token', 'DPoP', token, await proofOf(idp, key, { ...at, ath: athOf(plain) })],
      ['no token', 'DPoP', token, await proofOf(idp, key, at)],
      ['another place', 'DPoP', token, await proofOf(idp, key, { htm: 'GET', ath: athOf(token) })],
      [
        'another method',
        'DPoP',
        token,
        await proofOf(idp, key, { ...at, htm: 'POST', ath: athOf(token) }),
      ],
      [
        'a token that is not bound',
        'DPoP',
        plain,
        await proofOf(idp, key, { ...at, ath: athOf(plain) }),
      ],
    ]
    const ask = (scheme: string, value: string, proof?: string) =>
      fetch(`${idp.issuer}/userinfo`, {
        headers: {
          authorization: `${scheme} ${value}`,
          ...(proof === undefined ? {} : { dpop: proof }),
        },
      })
    for (const [name, scheme, value, proof] of refused) {
      assert.equal((await ask(scheme, value, proof)).status, 401, name)
    }
    assert.equal((await ask('DPoP', token, used)).status, 200)
    assert.equal((await ask('DPoP', token, used)).status, 401, 'a replay')
  })
})

test('a login that names its key in advance', async (t) => {
  const idp = await startIdp(t)
  const config = await discover(idp)
  const [key, thief] = [await makeKey(), await makeKey()]
  const codeFor = async (options: Parameters<typeof beginLogin>[1]) => {
    const { browser, page, finish } = await beginLogin(config, { ...options, jkt: key.thumbprint })
    const next = await browser.submit(page, { username: 'alice', password: PASSWORD })
    const { location } = await browser.follow(String(next.location), CALLBACK)
    return finish(String(location))
  }
  await t.test('ends with that key', async () => {
    const tokens = await codeFor({ dpop: oidc.getDPoPHandle(config, key.pair) })
    assert.deepEqual(claimsOf(tokens.access_token).cnf, { jkt: key.thumbprint })
  })
  await t.test('and with no other', async () => {
    const stolen = codeFor({ dpop: oidc.getDPoPHandle(config, thief.pair) })
    await assert.rejects(stolen, { error: 'invalid_grant' })
    await assert.rejects(codeFor({}), { error: 'invalid_grant' })
  })
})

test('a proof', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  const pass = (seconds: number) => t.mock.timers.setTime(Date.now() + seconds * 1000)
  const now = () => Math.floor(Date.now() / 1000)
  const idp = await startIdp(t)
  const key = await makeKey()
  const ask = (dpop: string) =>
    tokenRequest(
      idp,
      { grant_type: 'client_credentials', audience: ANALYTICS },
      { headers: { dpop } },
    )

  const { privateKey } = key.pair
  const refused: [name: string, proof: string][] = [
    ['for another method', await proofOf(idp, key, { htm: 'GET' })],
    ['for another place', await proofOf(idp, key, { htu: 'https://elsewhere.example/token' })],
    ['of long ago', await proofOf(idp, key, { iat: now() - 301 })],
    ['of another time to come', await proofOf(idp, key, { iat: now() + 301 })],
    ['without an id', await proofOf(idp, key, { jti: undefined })],
    ['that is another kind of token', await proofOf(idp, key, {}, { typ: 'jwt' })],
    ['that another key signed', await proofOf(idp, key, {}, { jwk: (await makeKey()).jwk })],
    [
      'that shows its private key',
      await proofOf(idp, key, {}, { jwk: await exportJWK(privateKey) }),
    ],
    ['with a made-up nonce', await proofOf(idp, key, { nonce: 'made-up' })],
    ['that is none', 'nonsense'],
  ]
  for (const [name, proof] of refused) {
    await t.test(`${name} is refused`, async () => {
      const { status, body } = await ask(proof)
      assert.equal(status, 400)
      assert.match(String(body.error), /^(invalid_dpop_proof|use_dpop_nonce)$/)
    })
  }

  await t.test('is good once, of five at the same moment too', async () => {
    const proof = await proofOf(idp, key)
    const five = await Promise.all(Array.from({ length: 5 }, () => ask(proof)))
    assert.deepEqual(five.map(({ status }) => status).sort(), [200, 400, 400, 400, 400])
  })

  await t.test('is good once, also when its clock is ahead of ours', async () => {
    const proof = await proofOf(idp, key, { iat: now() + 290 })
    assert.equal((await ask(proof)).status, 200)
    pass(310)
    assert.equal((await ask(proof)).body.error, 'invalid_dpop_proof')
  })
})

test('token.dpop.require_nonce takes only proofs with a fresh nonce of ours', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  const pass = (seconds: number) => t.mock.timers.setTime(Date.now() + seconds * 1000)
  const token = { dpop: { require_nonce: true } }
  const idp = await startIdp(t, { token })
  const key = await makeKey()
  const ask = async (at: TestIdp, nonce?: string) => {
    const dpop = await proofOf(at, key, nonce === undefined ? {} : { nonce })
    const answer = await fetch(`${at.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`bff-server:${SECRET}`)}`, dpop },
      body: new URLSearchParams({ grant_type: 'client_credentials', audience: ANALYTICS }),
    })
    const { error } = (await answer.json()) as { error?: string }
    return { status: answer.status, error, nonce: answer.headers.get('dpop-nonce') ?? undefined }
  }
  const first = await ask(idp)
  assert.equal(first.status, 400)
  assert.equal(first.error, 'use_dpop_nonce')
  assert.ok(first.nonce)
  assert.equal((await ask(idp, first.nonce)).status, 200)

  await t.test('which a library handles by itself', async () => {
    const config = await discover(idp)
    const dpop = oidc.getDPoPHandle(config, key.pair)
    const { tokens } = await login(config, { dpop })
    const info = await oidc.fetchUserInfo(config, tokens.access_token, 'user-alice', { DPoP: dpop })
    assert.equal(info.sub, 'user-alice')
  })

  await t.test('and which outlives a restart, but not its minutes', async (t) => {
    await idp.close()
    const { dataDir, origin } = idp
    const again = await startIdp(t, { dataDir, token, port: Number(new URL(origin).port) })
    assert.equal((await ask(again, first.nonce)).status, 200)
    pass(600)
    assert.equal((await ask(again, first.nonce)).error, 'use_dpop_nonce')
  })
})

test('a client with dpop_bound_access_tokens gets no token without a proof', async (t) => {
  const clients = {
    bound: {
      ...{ client_secret: SECRET, first_party: true, redirect_uris: [CALLBACK] },
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials', EXCHANGE],
      scopes: ['openid', 'application.all', 'profile', 'email', 'offline_access'],
      allowed_audiences: ['empowernow', ANALYTICS],
      dpop_bound_access_tokens: true,
    },
  }
  const idp = await startIdp(t, { clients })
  const config = await discover(idp, 'bound')
  await assert.rejects(login(config), { error: 'invalid_grant' })
  const machine = { grant_type: 'client_credentials', audience: ANALYTICS }
  const { body } = await tokenRequest(idp, machine, { clientId: 'bound' })
  assert.equal(body.error, 'invalid_dpop_proof')

  const key = await makeKey()
  const { tokens } = await login(config, { dpop: oidc.getDPoPHandle(config, key.pair) })
  const bare = await exchange(idp, tokens.access_token, { audience: ANALYTICS }, 'bound')
  assert.equal(bare.body.error, 'invalid_dpop_proof')
  await assert.rejects(oidc.refreshTokenGrant(config, String(tokens.refresh_token)), {
    error: 'invalid_grant',
  })
})
