import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createNonces, type NonceSource } from '@audience-bridge/resource-server/nonce.ts'
import { createTokenVerifier } from '@audience-bridge/resource-server/verifier.ts'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'

const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'
const PATH = '/api/v1/analytics/workflows'
const SETTINGS = 'BFF/config/settings.yaml'
const IDP = 'IdP/config/settings.yaml'

const asksForDpop = replace('session:\n', 'service_dpop: {analytics_service: true}\n\nsession:\n')

interface Seen {
  scheme: string
  dpop: string | undefined
  jkt: string | undefined
  status: number
  reason: string | undefined
}

/** A real backend that takes bound tokens alone. */
async function startBackend(t: TestContext, issuer: () => string, nonces?: () => NonceSource) {
  const seen: Seen[] = []
  let verifier: ReturnType<typeof createTokenVerifier> | undefined
  let origin = ''
  const server = createServer(async (req, res) => {
    verifier ??= createTokenVerifier({
      ...{ issuer: issuer(), audience: ANALYTICS, dpop: 'required' },
      ...(nonces === undefined
        ? {}
        : { nonces: { current: () => nonces().current(), accepts: (it) => nonces().accepts(it) } }),
    })
    const { authorization, dpop } = req.headers
    const result = await verifier.verify(authorization, {
      ...{ method: req.method ?? '', url: `${origin}${req.url}` },
      dpop: dpop as string | undefined,
    })
    const status = result.kind === 'verified' ? 200 : result.kind === 'refused' ? 401 : 503
    seen.push({
      ...{ scheme: authorization?.split(' ')[0] ?? '', dpop: dpop as string | undefined, status },
      jkt: result.kind === 'verified' ? result.token.jkt : undefined,
      reason: result.kind === 'verified' ? undefined : result.description,
    })
    if (result.kind !== 'unavailable' && result.dpopNonce !== undefined) {
      res.setHeader('DPoP-Nonce', result.dpopNonce)
    }
    if (result.kind === 'refused') res.setHeader('WWW-Authenticate', result.challenge)
    req.resume().on('end', () => res.writeHead(status).end('{}'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { origin, seen }
}

async function setUp(
  t: TestContext,
  options: {
    nonces?: () => NonceSource
    idpNonces?: boolean
    settings?: (t: string) => string
  } = {},
) {
  let idp = ''
  const backend = await startBackend(t, () => `${idp}/api/oidc`, options.nonces)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: backend.origin },
    edits: {
      [SETTINGS]: options.settings ?? asksForDpop,
      ...(options.idpNonces
        ? { [IDP]: replace('\ntoken:\n', '\ntoken:\n  dpop: {require_nonce: true}\n') }
        : {}),
    },
  })
  idp = gateway.idp
  return { backend, gateway }
}

test('a backend that asks for it gets a bound token and a proof for each request', async (t) => {
  const { backend, gateway } = await setUp(t)
  const who = await gateway.signedIn()
  for (const query of ['?page=1', '?page=2']) {
    assert.equal((await who.fetch(`${PATH}${query}`)).status, 200)
  }
  const posted = await who.fetch(PATH, {
    method: 'POST',
    headers: { 'x-csrf-token': await who.csrfToken(), 'content-type': 'application/json' },
    body: '{}',
  })
  assert.equal(posted.status, 200)
  assert.deepEqual(
    backend.seen.map(({ scheme, status }) => [scheme, status]),
    Array.from({ length: 3 }, () => ['DPoP', 200]),
  )
  assert.equal(new Set(backend.seen.map(({ dpop }) => dpop)).size, 3, 'no proof is used twice')
  const token = (await gateway.openSession(who))?.tokens.get('analytics_service')
  assert.equal(token?.jkt, backend.seen[0]?.jkt)

  await t.test('and never the proof of a browser', async () => {
    await who.fetch(PATH, { headers: { dpop: 'forged' } })
    assert.notEqual(backend.seen.at(-1)?.dpop, 'forged')
    assert.equal(backend.seen.at(-1)?.status, 200)
  })

  await t.test('its keys are published nowhere', async () => {
    const jwks = await (await fetch(`${gateway.bff}/.well-known/jwks.json`)).json()
    const kids = (jwks as { keys: { kid: string }[] }).keys.map(({ kid }) => kid)
    assert.equal(kids.length, 2)
    assert.ok(!kids.includes(String(token?.jkt)))
  })

  await t.test(
    'after a rotation the token serves on; after a theft a new one is minted',
    async () => {
      const rotate = (compromised: boolean) =>
        fetch(`${gateway.bff}/admin/keys/rotate`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${gateway.adminToken}`,
            'content-type': 'application/json',
          },
          body: JSON.stringify({ ring: 'dpop', compromised }),
        })
      assert.equal((await rotate(false)).status, 200)
      assert.equal((await who.fetch(PATH)).status, 200)
      assert.equal(backend.seen.at(-1)?.jkt, token?.jkt)
      assert.equal((await rotate(true)).status, 200)
      assert.equal((await who.fetch(PATH)).status, 200)
      assert.notEqual(backend.seen.at(-1)?.jkt, token?.jkt)
    },
  )
})

test('a backend that wants nonces', async (t) => {
  const secret = 'a secret of the backend, long enough for it'
  let slot = 0
  const nonces = () => createNonces(secret, { seconds: 1, clock: () => slot })
  const { backend, gateway } = await setUp(t, { nonces })
  const who = await gateway.signedIn()
  const statuses = () => backend.seen.map(({ status }) => status)

  await t.test(
    'is asked once more with the one that it gave, and then with it at once',
    async () => {
      assert.equal((await who.fetch(PATH)).status, 200)
      assert.deepEqual(statuses(), [401, 200])
      const second = await who.fetch(PATH)
      assert.equal(second.status, 200)
      assert.equal(second.headers.get('dpop-nonce'), null)
      assert.deepEqual(statuses(), [401, 200, 200])
    },
  )

  await t.test('also when it changes them, for all who call at that moment', async () => {
    slot += 10
    const together = await Promise.all(Array.from({ length: 5 }, () => who.fetch(PATH)))
    assert.deepEqual(
      together.map(({ status }) => status),
      [200, 200, 200, 200, 200],
    )
    assert.equal(
      statuses()
        .slice(3)
        .filter((status) => status === 200).length,
      5,
    )
    assert.ok(statuses().slice(3).includes(401))
  })

  await t.test(
    'but a request that cannot be repeated is answered 401, the next one not',
    async () => {
      slot += 10
      const post = async () =>
        who.fetch(PATH, {
          method: 'POST',
          headers: { 'x-csrf-token': await who.csrfToken(), 'content-type': 'application/json' },
          body: '{}',
        })
      await assertProblem(await post(), 'TOKEN_REJECTED')
      assert.equal((await post()).status, 200)
    },
  )
})

test("with auth.dpop the login's own tokens are bound, with an IdP that wants nonces", async (t) => {
  const settings = inOrder(
    replace(
      'session:\n',
      'service_dpop: {analytics_service: true, crud_service: true, idp_service: true}\n\nsession:\n',
    ),
    replace('auth:\n', 'auth:\n  dpop: true\n'),
  )
  const { backend, gateway } = await setUp(t, { idpNonces: true, settings })
  const who = await gateway.signedIn()
  const session = await gateway.openSession(who)
  const claims = JSON.parse(
    Buffer.from(session?.grant.access_token.split('.')[1] ?? '', 'base64url').toString(),
  )
  assert.match(claims.cnf?.jkt, /^[\w-]{43}$/)
  assert.equal((await who.fetch(PATH)).status, 200)
  assert.equal(backend.seen.at(-1)?.jkt, claims.cnf.jkt)

  await t.test('and a login token of a key that is gone is renewed', async () => {
    await fetch(`${gateway.bff}/admin/keys/rotate`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${gateway.adminToken}`,
        'content-type': 'application/json',
      },
      body: '{"ring":"dpop","compromised":true}',
    })
    assert.equal((await who.fetch(PATH)).status, 200)
    assert.notEqual(backend.seen.at(-1)?.jkt, claims.cnf.jkt)
  })
})

test('a token that is not bound where it was to be, or bound where not, is kept from backends', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
    edits: {
      // The IdP's tokens for this client are bound to the keys of its requests alone: without a proof
      // it refuses.
      'IdP/config/clients.yaml': replace(
        'bff-server:\n',
        'bff-server:\n  dpop_bound_access_tokens: true\n',
      ),
      [SETTINGS]: inOrder(asksForDpop, replace('auth:\n', 'auth:\n  dpop: true\n')),
    },
  })
  const who = await gateway.signedIn()
  assert.equal((await who.fetch(PATH)).status, 200)
  assert.match(String(echo.arrivals.at(-1)?.headers.authorization), /^DPoP /)
  const before = echo.arrivals.length
  await assertProblem(await who.fetch('/api/crud/projects'), 'NO_TOKEN_AVAILABLE')
  assert.equal(echo.arrivals.length, before)
  // The chain knew it.
  const link = gateway.config().chains.get('api-crud')?.broken
  assert.equal(link?.code, 'mint_unfit')
})
