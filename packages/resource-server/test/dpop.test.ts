import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { calculateJwkThumbprint, exportJWK, SignJWT } from 'jose'
import { protectedResourceMetadata } from '../src/metadata.ts'
import { createNonces } from '../src/nonce.ts'
import { tokenHash } from '../src/proof.ts'
import { createTokenVerifier, type VerifierOptions } from '../src/verifier.ts'
import { makeSigner, type Signer, sign, startIssuer } from './issuer.ts'

const AUDIENCE = 'https://analytics.example'
const NOW = 1_800_000_000
const REQUEST = { method: 'POST', url: 'https://analytics.example/api/v1/rows?page=2' }

async function setUp(t: TestContext, options: Partial<VerifierOptions> = {}) {
  const signer = await makeSigner('k1')
  const issuer = await startIssuer(t, signer)
  const time = { now: NOW }
  const clock = () => time.now
  const verifier = createTokenVerifier({
    ...{ issuer: issuer.issuer, audience: AUDIENCE, dpop: 'optional', clock },
    ...options,
  })
  const holder = await makeSigner('holder')
  const jkt = await calculateJwkThumbprint(holder.jwk)
  const claims = { iss: issuer.issuer, aud: AUDIENCE, sub: 'alice', iat: NOW, exp: NOW + 300 }
  const bearer = await sign(signer, claims)
  const bound = await sign(signer, { ...claims, cnf: { jkt } })
  return { signer, time, verifier, holder, jkt, claims, bearer, bound }
}

type World = Awaited<ReturnType<typeof setUp>>
let made = 0

function prove(
  { holder, bound }: { holder: Signer; bound: string },
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
) {
  made += 1
  return new SignJWT({
    ...{ jti: `proof-${made}`, htm: 'POST', htu: 'https://analytics.example/api/v1/rows' },
    ...{ iat: NOW, ath: tokenHash(bound), ...claims },
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: holder.jwk, ...header })
    .sign(holder.privateKey)
}

const send = (w: World, dpop: string | string[] | undefined, request = REQUEST) =>
  w.verifier.verify(`DPoP ${w.bound}`, { ...request, dpop })

test('a bound token with a proof of its key is taken', async (t) => {
  const world = await setUp(t)
  const result = await send(world, await prove(world))
  assert.equal(result.kind, 'verified')
  assert.equal(result.kind === 'verified' && result.token.jkt, world.jkt)
  await t.test('and so is a bearer token where proofs are optional', async () => {
    const plain = await world.verifier.verify(`Bearer ${world.bearer}`)
    assert.equal(plain.kind === 'verified' && plain.token.jkt, undefined)
  })
})

test('a bound token is worthless', async (t) => {
  const other = await makeSigner('thief')
  const attacks: [string, (w: World) => Promise<string | string[] | undefined>, RegExp][] = [
    ['without a proof', async () => undefined, /no DPoP header/],
    ['with two proofs', async (w) => [await prove(w), await prove(w)], /several/],
    [
      'with two proofs that Node joined',
      async (w) => `${await prove(w)}, ${await prove(w)}`,
      /several/,
    ],
    [
      'with a proof by a key of the thief',
      (w) => prove({ holder: other, bound: w.bound }),
      /another key/,
    ],
    [
      "with the holder's key in the head and the thief's signature",
      (w) => prove({ holder: other, bound: w.bound }, {}, { jwk: w.holder.jwk }),
      /no JWT/,
    ],
    ['with a proof for another method', (w) => prove(w, { htm: 'GET' }), /another method/],
    [
      'with a proof for another path',
      (w) => prove(w, { htu: 'https://analytics.example/api/v1/row' }),
      /another URL/,
    ],
    [
      'with a proof for another host',
      (w) => prove(w, { htu: 'https://crud.example/api/v1/rows' }),
      /another URL/,
    ],
    [
      'with a proof for another token of the same key',
      (w) => prove(w, { ath: tokenHash('x') }),
      /another token/,
    ],
    ['with a proof that names no token', (w) => prove(w, { ath: undefined }), /another token/],
    ['with a proof of yesterday', (w) => prove(w, { iat: NOW - 61 }), /not of now/],
    ['with a proof made in stock for tomorrow', (w) => prove(w, { iat: NOW + 61 }), /not of now/],
    ['with a proof without iat', (w) => prove(w, { iat: undefined }), /lacks/],
    ['with a proof without jti', (w) => prove(w, { jti: undefined }), /jti/],
    ['with a proof of another type', (w) => prove(w, {}, { typ: 'JWT' }), /dpop\+jwt/],
    [
      'with a proof that carries the private key',
      async (w) => prove(w, {}, { jwk: await exportJWK(w.holder.privateKey) }),
      /no JWT/,
    ],
    ['with rubbish', async () => 'rubbish', /no JWT/],
    ['with a giant', async () => 'x'.repeat(10_000), /too long/],
  ]
  for (const [name, make, why] of attacks) {
    await t.test(name, async (t) => {
      const world = await setUp(t)
      const result = await send(world, await make(world))
      assert.ok(result.kind === 'refused')
      assert.equal(result.error, 'invalid_dpop_proof')
      assert.match(result.description, why)
      assert.match(
        result.challenge,
        /^DPoP error="invalid_dpop_proof".*reason="proof".*algs="ES256 /,
      )
    })
  }

  await t.test('with the proof of a request that was seen', async (t) => {
    const world = await setUp(t)
    const proof = await prove(world)
    assert.equal((await send(world, proof)).kind, 'verified')
    const again = await send(world, proof)
    assert.ok(again.kind === 'refused')
    assert.match(again.description, /used before/)
  })

  await t.test('as a bearer, proof or not (downgrade)', async (t) => {
    const world = await setUp(t)
    const dpop = await prove(world)
    const result = await world.verifier.verify(`Bearer ${world.bound}`, { ...REQUEST, dpop })
    assert.ok(result.kind === 'refused')
    assert.equal(result.reason, 'type')
    // Also once it is known: what the cache holds was verified for another use.
    assert.equal((await send(world, await prove(world))).kind, 'verified')
    assert.equal((await world.verifier.verify(`Bearer ${world.bound}`)).kind, 'refused')
  })

  await t.test('where its binding is of a kind that nobody checks', async (t) => {
    const world = await setUp(t)
    const cnf = { 'x5t#S256': 'bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2' }
    const token = await sign(world.signer, { ...world.claims, cnf })
    for (const scheme of ['Bearer', 'DPoP']) {
      const dpop = await prove(world, { ath: tokenHash(token) })
      const result = await world.verifier.verify(`${scheme} ${token}`, { ...REQUEST, dpop })
      assert.equal(result.kind === 'refused' && result.reason, 'type')
    }
  })
})

test('a bearer token in the scheme DPoP is refused', async (t) => {
  const world = await setUp(t)
  const dpop = await prove(world, { ath: tokenHash(world.bearer) })
  const result = await world.verifier.verify(`DPoP ${world.bearer}`, { ...REQUEST, dpop })
  assert.equal(result.kind === 'refused' && result.reason, 'type')
})

test('where proofs are required', async (t) => {
  const world = await setUp(t, { dpop: 'required' })
  await t.test('no bearer token is taken', async () => {
    const result = await world.verifier.verify(`Bearer ${world.bearer}`)
    assert.equal(result.kind, 'refused')
    assert.match(result.kind === 'refused' ? result.challenge : '', /^DPoP .*algs=/)
  })
  await t.test('the metadata say so', () => {
    const document = protectedResourceMetadata({
      ...{ audience: AUDIENCE, issuer: 'https://idp.example', scopes: [], dpop: 'required' },
    })
    assert.equal(document?.dpop_bound_access_tokens_required, true)
    assert.ok(document?.dpop_signing_alg_values_supported?.includes('ES256'))
  })
})

test('who sends nothing is told both ways where proofs are optional', async (t) => {
  const { verifier } = await setUp(t, { realm: 'analytics' })
  const result = await verifier.verify(undefined)
  assert.match(
    result.kind === 'refused' ? result.challenge : '',
    /^Bearer realm="analytics".*, DPoP realm="analytics".*algs="ES256/,
  )
})

test('nonces', async (t) => {
  const secret = 'a secret that all processes behind one address share'
  const nonces = createNonces(secret, { seconds: 60, clock: () => at })
  let at = NOW
  const world = await setUp(t, { nonces })

  await t.test('a proof without one is answered with one', async () => {
    const result = await send(world, await prove(world))
    assert.ok(result.kind === 'refused')
    assert.equal(result.error, 'use_dpop_nonce')
    assert.match(result.challenge, /error="use_dpop_nonce"/)
    assert.equal(result.dpopNonce, nonces.current())
  })
  await t.test('a proof with the current one or the one before is taken, none older', async () => {
    const nonce = nonces.current()
    const good = await send(world, await prove(world, { nonce }))
    assert.equal(good.kind === 'verified' && good.dpopNonce, nonce)
    at = NOW + 60
    assert.equal((await send(world, await prove(world, { nonce }))).kind, 'verified')
    at = NOW + 120
    const late = await send(world, await prove(world, { nonce }))
    assert.equal(late.kind === 'refused' && late.error, 'use_dpop_nonce')
  })
  await t.test('another process with the same secret takes them, one with another not', () => {
    const clock = () => at
    assert.ok(createNonces(secret, { clock }).accepts(nonces.current()))
    assert.ok(!createNonces(`${secret}!`, { clock }).accepts(nonces.current()))
    assert.ok(!nonces.accepts(undefined) && !nonces.accepts(''))
  })
})

test('the ledger can be shared between processes', async (t) => {
  const used = new Set<string>()
  const ledger = async (key: string) => !used.has(key) && used.add(key).size > 0
  const world = await setUp(t, { ledger })
  const proof = await prove(world)
  assert.equal((await send(world, proof)).kind, 'verified')
  assert.equal((await send(world, proof)).kind, 'refused')
  assert.equal(used.size, 1)
})
