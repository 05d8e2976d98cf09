import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { exportSPKI, importJWK, SignJWT } from 'jose'
import type { RefusalReason } from '../src/challenge.ts'
import { createTokenVerifier } from '../src/verifier.ts'
import { makeSigner, type Signer, sign, startIssuer } from './issuer.ts'

const AUDIENCE = 'https://analytics.example'
const NOW = 1_800_000_000
const METADATA = 'https://analytics.example/.well-known/oauth-protected-resource'

async function setUp(t: TestContext, alg = 'ES256') {
  const signer = await makeSigner('k1', alg)
  const issuer = await startIssuer(t, signer)
  const time = { now: NOW }
  const verifier = createTokenVerifier({
    issuer: issuer.issuer,
    audience: AUDIENCE,
    realm: 'analytics',
    clock: () => time.now,
  })
  const claims = {
    iss: issuer.issuer,
    aud: AUDIENCE,
    sub: 'alice',
    client_id: 'bff-server',
    scope: 'api.read api.write',
    roles: ['analyst'],
    act: { sub: 'bff-server' },
    iat: NOW,
    exp: NOW + 300,
  }
  return { signer, issuer, time, verifier, claims }
}

type World = Awaited<ReturnType<typeof setUp>>

test('a good token', async (t) => {
  for (const alg of ['ES256', 'PS256', 'RS256', 'EdDSA']) {
    await t.test(`signed with ${alg} is verified and its claims are read`, async (t) => {
      const { verifier, signer, claims } = await setUp(t, alg)
      const result = await verifier.verify(`Bearer ${await sign(signer, claims)}`)
      assert.equal(result.kind, 'verified')
      if (result.kind !== 'verified') return
      assert.equal(result.token.subject, 'alice')
      assert.equal(result.token.clientId, 'bff-server')
      assert.equal(result.token.actor, 'bff-server')
      assert.deepEqual([...result.token.scopes], ['api.read', 'api.write'])
      assert.deepEqual(result.token.roles, ['analyst'])
      assert.equal(result.token.expiresAt, NOW + 300)
    })
  }

  const alike: [string, (w: World) => Promise<string>][] = [
    ['in a scheme of lower case (RFC 9110 §11.1)', async (w) => `bearer ${await ok(w)}`],
    [
      'typed application/at+jwt',
      async (w) => `Bearer ${await ok(w, {}, { typ: 'application/at+jwt' })}`,
    ],
    [
      'with an array of the one audience',
      async (w) => `Bearer ${await ok(w, { aud: [AUDIENCE] })}`,
    ],
    ['expired within the tolerance', async (w) => `Bearer ${await ok(w, { exp: NOW - 59 })}`],
  ]
  for (const [name, authorization] of alike) {
    await t.test(`${name} is verified too`, async (t) => {
      const world = await setUp(t)
      assert.equal((await world.verifier.verify(await authorization(world))).kind, 'verified')
    })
  }
})

function ok(w: World, claims: Record<string, unknown> = {}, header: Record<string, string> = {}) {
  return sign(w.signer, { ...w.claims, ...claims }, header)
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

async function confused(w: World): Promise<string> {
  const key = await importJWK(w.signer.jwk, w.signer.alg)
  if (key instanceof Uint8Array) throw new Error('expected an asymmetric key')
  return new SignJWT(w.claims)
    .setProtectedHeader({ alg: 'HS256', kid: 'k1', typ: 'at+jwt' })
    .sign(new TextEncoder().encode(await exportSPKI(key)))
}

async function selfSigned(w: World): Promise<string> {
  const mallory: Signer = await makeSigner('k1')
  return sign(mallory, w.claims, { jwk: mallory.jwk as never })
}

const ATTACKS: {
  attack: string
  token: (w: World) => Promise<string> | string
  reason: RefusalReason
  says: RegExp
}[] = [
  {
    attack: 'alg none',
    reason: 'malformed',
    token: (w) => `${encode({ alg: 'none', typ: 'at+jwt' })}.${encode(w.claims)}.`,
    says: /algorithm is not allowed|well-formed/,
  },
  {
    attack: 'HS256 with the public key as the secret',
    reason: 'malformed',
    token: confused,
    says: /algorithm is not/,
  },
  {
    attack: "a stranger's key sent along in the header",
    reason: 'signature',
    token: selfSigned,
    says: /signature/,
  },
  {
    attack: 'an ID token of the same issuer',
    reason: 'type',
    token: (w) => ok(w, {}, { typ: 'JWT' }),
    says: /no access token/,
  },
  {
    attack: 'several audiences, ours among them',
    reason: 'audience',
    token: (w) => ok(w, { aud: [AUDIENCE, 'empowernow'] }),
    says: /expected audience https:\/\/analytics\.example alone, found 2/,
  },
  {
    attack: 'a trailing slash',
    reason: 'audience',
    token: (w) => ok(w, { aud: `${AUDIENCE}/` }),
    says: /expected audience https:\/\/analytics\.example, found https:\/\/analytics\.example\/ \(they differ only by a trailing slash\)/,
  },
  {
    attack: 'another case',
    reason: 'audience',
    token: (w) => ok(w, { aud: 'https://Analytics.example' }),
    says: /upper and lower case/,
  },
  {
    attack: 'another audience',
    reason: 'audience',
    token: (w) => ok(w, { aud: 'empowernow' }),
    says: /expected audience https:\/\/analytics\.example, found empowernow$/,
  },
  {
    attack: 'no audience',
    reason: 'audience',
    token: (w) => ok(w, { aud: undefined }),
    says: /claim aud/,
  },
  {
    attack: 'an expired token',
    reason: 'expired',
    token: (w) => ok(w, { exp: NOW - 61 }),
    says: /expired/,
  },
  {
    attack: 'no expiry',
    reason: 'malformed',
    token: (w) => ok(w, { exp: undefined }),
    says: /claim exp/,
  },
  {
    attack: 'a token of the future',
    reason: 'not_yet_valid',
    token: (w) => ok(w, { nbf: NOW + 61 }),
    says: /not valid yet/,
  },
  {
    attack: 'another issuer',
    reason: 'issuer',
    token: (w) => ok(w, { iss: `${w.issuer.issuer}/` }),
    says: /another issuer/,
  },
  {
    attack: 'an unknown key id',
    reason: 'key_unknown',
    token: (w) => ok(w, {}, { kid: 'k9' }),
    says: /does not publish/,
  },
  {
    attack: 'an empty subject',
    reason: 'malformed',
    token: (w) => ok(w, { sub: '' }),
    says: /no subject/,
  },
  {
    attack: 'a key-bound token used as a bearer',
    reason: 'type',
    token: (w) => ok(w, { cnf: { jkt: 'x' } }),
    says: /bound to a key/,
  },
  {
    attack: 'a changed payload',
    reason: 'signature',
    token: async (w) => {
      const [header, , signature] = (await ok(w)).split('.')
      return `${header}.${encode({ ...w.claims, sub: 'admin' })}.${signature}`
    },
    says: /signature/,
  },
  { attack: 'no JWT at all', reason: 'malformed', token: () => 'opaque', says: /well-formed/ },
]

test('an attack is refused with 401 invalid_token and says why', async (t) => {
  for (const { attack, token, reason, says } of ATTACKS) {
    await t.test(attack, async (t) => {
      const world = await setUp(t)
      const jwt = await token(world)
      const result = await world.verifier.verify(`Bearer ${jwt}`)
      assert.equal(result.kind, 'refused')
      if (result.kind !== 'refused') return
      assert.equal(result.error, 'invalid_token')
      assert.match(result.description, says)
      assert.equal(result.reason, reason)
      assert.ok(result.challenge.includes(`, reason="${reason}", `), result.challenge)
      assert.match(result.challenge, /^Bearer realm="analytics", error="invalid_token", /)
      assert.ok(result.challenge.endsWith(`resource_metadata="${METADATA}"`), result.challenge)
      assert.ok(!result.challenge.includes(jwt), 'the challenge repeats the token')
    })
  }
})

test('the Authorization header', async (t) => {
  const world = await setUp(t)
  const jwt = await ok(world)
  const cases: [string, string | undefined, 'invalid_request' | undefined][] = [
    ['absent', undefined, undefined],
    ['empty', '', undefined],
    ['of another scheme', 'Basic YTpi', undefined],
    ['without a token', 'Bearer', 'invalid_request'],
    ['with a blank token', 'Bearer ', 'invalid_request'],
    ['with two tokens', `Bearer ${jwt}, Bearer ${jwt}`, 'invalid_request'],
    ['with two tokens in one', `Bearer ${jwt} ${jwt}`, 'invalid_request'],
    ['with a tab', `Bearer\t${jwt}`, undefined],
    ['with a line break', `Bearer ${jwt}\r\nx: y`, 'invalid_request'],
  ]
  for (const [name, authorization, error] of cases) {
    await t.test(`${name} is refused with ${error ?? 'no error code'}`, async () => {
      const result = await world.verifier.verify(authorization)
      assert.equal(result.kind, 'refused')
      if (result.kind !== 'refused') return
      assert.equal(result.error, error)
      assert.equal(result.challenge.includes('error='), error !== undefined)
      assert.equal(result.reason, error === undefined ? undefined : 'malformed')
      assert.equal(result.challenge.includes('reason="malformed"'), error !== undefined)
    })
  }
})

test('a key that the issuer rotated in is found without a restart', async (t) => {
  const world = await setUp(t)
  assert.equal((await world.verifier.verify(`Bearer ${await ok(world)}`)).kind, 'verified')
  const next = await makeSigner('k2')
  world.issuer.published = [world.signer.jwk, next.jwk]
  world.time.now += 5
  const fresh = await sign(next, world.claims)
  assert.equal((await world.verifier.verify(`Bearer ${fresh}`)).kind, 'verified')
})

test('a flood of unknown key ids costs the issuer one fetch in five seconds', async (t) => {
  const world = await setUp(t)
  await world.verifier.verify(`Bearer ${await ok(world)}`)
  for (let i = 0; i < 50; i += 1) {
    await world.verifier.verify(`Bearer ${await ok(world, {}, { kid: `made-up-${i}` })}`)
  }
  assert.equal(world.issuer.fetches, 1)
  world.time.now += 5
  await world.verifier.verify(`Bearer ${await ok(world, {}, { kid: 'made-up' })}`)
  assert.equal(world.issuer.fetches, 2)
})

test('many first tokens at once share one fetch of the keys', async (t) => {
  const world = await setUp(t)
  const tokens = await Promise.all([1, 2, 3, 4, 5].map((n) => ok(world, { jti: `${n}` })))
  const results = await Promise.all(tokens.map((jwt) => world.verifier.verify(`Bearer ${jwt}`)))
  assert.deepEqual(new Set(results.map((result) => result.kind)), new Set(['verified']))
  assert.equal(world.issuer.fetches, 1)
})

test('an issuer that is away', async (t) => {
  await t.test('makes the answer unavailable, never 401, and is asked again later', async (t) => {
    const world = await setUp(t)
    const authorization = `Bearer ${await ok(world)}`
    world.issuer.answering = false
    const first = await world.verifier.verify(authorization)
    assert.equal(first.kind, 'unavailable')
    if (first.kind === 'unavailable') assert.match(first.description, /answered 500/)
    world.issuer.answering = true
    world.time.now += 5
    assert.equal((await world.verifier.verify(authorization)).kind, 'verified')
  })

  await t.test('leaves known keys good for an hour', async (t) => {
    const world = await setUp(t)
    await world.verifier.verify(`Bearer ${await ok(world)}`)
    world.issuer.answering = false
    world.time.now += 3599
    const late = `Bearer ${await ok(world, { exp: world.time.now + 300 })}`
    assert.equal((await world.verifier.verify(late)).kind, 'verified')
    world.time.now += 61
    const later = `Bearer ${await ok(world, { exp: world.time.now + 300 })}`
    assert.equal((await world.verifier.verify(later)).kind, 'unavailable')
  })

  await t.test('that speaks for another issuer is not believed', async (t) => {
    const world = await setUp(t)
    const verifier = createTokenVerifier({ issuer: `${world.issuer.issuer}/`, audience: AUDIENCE })
    const result = await verifier.verify(`Bearer ${await ok(world)}`)
    assert.equal(result.kind, 'unavailable')
    if (result.kind === 'unavailable') assert.match(result.description, /speaks for the issuer/)
  })
})

test('a cached result never outlives its token', async (t) => {
  const world = await setUp(t)
  const verifier = createTokenVerifier({
    issuer: world.issuer.issuer,
    audience: AUDIENCE,
    clockToleranceSeconds: 0,
    clock: () => world.time.now,
  })
  const authorization = `Bearer ${await ok(world, { exp: NOW + 10 })}`
  assert.equal((await verifier.verify(authorization)).kind, 'verified')
  world.time.now = NOW + 11
  assert.equal((await verifier.verify(authorization)).kind, 'refused')
})

test('a key that the issuer withdrew is no longer good after ten minutes', async (t) => {
  const world = await setUp(t)
  const authorization = `Bearer ${await ok(world, { exp: NOW + 3000 })}`
  await world.verifier.verify(authorization)
  world.issuer.published = [(await makeSigner('k2')).jwk]
  world.time.now = NOW + 601
  assert.equal((await world.verifier.verify(authorization)).kind, 'refused')
})
