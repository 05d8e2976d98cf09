import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { clientOf, giveToken, startSomeIdp } from './some-idp.ts'

test('the client of the shipped configuration proves itself with a key', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, { upstreams: { crud_service: echo.origin } })
  const who = await gateway.signedIn()
  const admin = { authorization: `Bearer ${gateway.adminToken}` }
  const jwks = async () =>
    (await (await fetch(`${gateway.bff}/.well-known/jwks.json`)).json()) as JSONWebKeySet

  await t.test('there is no secret in either file', () => {
    const { bridge, idp } = gateway.config()
    assert.equal(idp.clientSecret, undefined)
    assert.equal(bridge.idp?.clients['bff-server']?.client_secret, undefined)
  })

  await t.test('its keys are published without their private part, for a minute', async () => {
    const response = await fetch(`${gateway.bff}/.well-known/jwks.json`)
    assert.equal(response.headers.get('cache-control'), 'public, max-age=60')
    const { keys } = (await response.json()) as JSONWebKeySet
    assert.equal(keys.length, 2)
    for (const key of keys) {
      assert.deepEqual(Object.keys(key).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    }
  })

  await t.test('an administrator sees and rotates them, nobody else', async () => {
    for (const [method, path] of [
      ['GET', '/admin/keys'],
      ['POST', '/admin/keys/rotate'],
    ] as const) {
      const refused = await fetch(`${gateway.bff}${path}`, { method })
      assert.equal(refused.status, 401)
      const member = await who.fetch(path, { method })
      assert.equal(member.status, 403)
    }
    const before = (await (
      await fetch(`${gateway.bff}/admin/keys`, { headers: admin })
    ).json()) as {
      keys: { ring: string; kid: string; state: string }[]
    }
    assert.deepEqual(
      before.keys.map(({ ring, state }) => `${ring} ${state}`),
      ['client signing', 'assertion signing', 'dpop signing'],
    )
    const bad = await fetch(`${gateway.bff}/admin/keys/rotate`, {
      ...{ method: 'POST', body: '{"ring":"other"}' },
      headers: { ...admin, 'content-type': 'application/json' },
    })
    assert.equal(bad.status, 400)
    const rotated = await fetch(`${gateway.bff}/admin/keys/rotate`, {
      ...{ method: 'POST', headers: admin },
    })
    const after = (await rotated.json()) as typeof before
    assert.equal(after.keys.filter(({ state }) => state === 'pending').length, 3)
    assert.equal((await jwks()).keys.length, 4)
  })

  await t.test('a stolen key is worthless at once, and the IdP takes the new one', async () => {
    const stolen = (await jwks()).keys.map(({ kid }) => kid)
    const response = await fetch(`${gateway.bff}/admin/keys/rotate`, {
      ...{ method: 'POST', body: '{"compromised":true}' },
      headers: { ...admin, 'content-type': 'application/json' },
    })
    assert.equal(response.status, 200)
    const { keys } = await jwks()
    assert.ok(keys.every(({ kid }) => !stolen.includes(kid)))
    assert.equal((await (await gateway.signedIn()).session()).authenticated, true)
    assert.equal((await who.fetch('/api/crud/projects')).status, 200)
  })
})

test('an assertion is for this issuer, lives a minute, and is never the same', async (t) => {
  const assertions: string[] = []
  const idp = await startSomeIdp(t, (_req, res, form) => {
    assertions.push(form.get('client_assertion') ?? '')
    giveToken(res)
  })
  const { idp: client, rings } = clientOf(t, idp.origin)
  for (let i = 0; i < 2; i++) assert.equal((await client.clientCredentials('a', '')).kind, 'ok')
  const keys = createLocalJWKSet(await rings.jwks())
  const claims = await Promise.all(
    assertions.map(async (jwt) => (await jwtVerify(jwt, keys, { audience: idp.origin })).payload),
  )
  for (const { iss, sub, exp = 0, iat = 0 } of claims) {
    assert.deepEqual([iss, sub, exp - iat], ['bff', 'bff', 60])
  }
  assert.notEqual(claims[0]?.jti, claims[1]?.jti)
})

test('secrets are presented as the method says', async (t) => {
  const seen: [string | undefined, string | null][] = []
  const idp = await startSomeIdp(t, (req, res, form) => {
    seen.push([req.headers.authorization, form.get('client_secret')])
    giveToken(res)
  })
  for (const authMethod of ['client_secret_basic', 'client_secret_post'] as const) {
    const { idp: client } = clientOf(t, idp.origin, { authMethod, clientSecret: 's' })
    await client.clientCredentials('a', '')
  }
  assert.deepEqual(seen, [
    [`Basic ${Buffer.from('bff:s').toString('base64')}`, null],
    [undefined, 's'],
  ])
})

test('a certificate is shown where the IdP asks for it', async (t) => {
  const directory = temporaryDirectory(t)
  const make = async (name: string) => {
    const [key, cert] = [join(directory, `${name}.key`), join(directory, `${name}.crt`)]
    await promisify(execFile)('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-days', '2', '-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost'],
      ...['-keyout', key, '-out', cert],
    ])
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
  }
  const [server, ours] = await Promise.all([make('idp'), make('bff')])
  const shown: [string, string | undefined, string | null][] = []
  const idp = await startSomeIdp(
    t,
    (req, res, form) => {
      const peer = (req.socket as TLSSocket).getPeerX509Certificate()
      shown.push([req.url ?? '', peer?.fingerprint256, form.get('client_id')])
      giveToken(res)
    },
    {
      tls: { ...server, ca: ours.cert },
      metadata: (origin) => ({ mtls_endpoint_aliases: { token_endpoint: `${origin}/mtls/token` } }),
    },
  )
  const { fingerprint256 } = new X509Certificate(ours.cert)
  for (const authMethod of ['tls_client_auth', 'self_signed_tls_client_auth'] as const) {
    const tls = { ...ours, ca: server.cert }
    const { idp: client } = clientOf(t, idp.origin, { authMethod, clientSecret: undefined, tls })
    assert.equal((await client.clientCredentials('a', '')).kind, 'ok')
  }
  assert.deepEqual(shown, [
    ['/mtls/token', fingerprint256, 'bff'],
    ['/mtls/token', fingerprint256, 'bff'],
  ])

  await t.test('and an IdP whose certificate nobody vouches for is told nothing', async () => {
    const tls = { ...ours, ca: undefined }
    const { idp: client } = clientOf(t, idp.origin, {
      ...{ authMethod: 'tls_client_auth', clientSecret: undefined, tls },
    })
    assert.equal((await client.clientCredentials('a', '')).kind, 'unavailable')
    assert.equal(shown.length, 2)
  })
})

test('a login is not begun at an IdP without pushed authorization requests', async (t) => {
  const idp = await startSomeIdp(t, (_req, res) => giveToken(res))
  const { idp: client } = clientOf(t, idp.origin)
  const started = await client.startLogin({
    ...{ redirectUri: 'http://localhost/auth/callback', scope: 'openid', resources: [] },
    prompt: undefined,
  })
  assert.ok(started.kind === 'refused')
  assert.equal(started.error, 'par_not_offered')
  assert.match(started.description ?? '', /RFC 9126/)
})

test('a callback that another IdP may have sent (mix-up, RFC 9207) is refused unredeemed', async (t) => {
  const gateway = await startGateway(t)
  const redeemed = async () => {
    const metrics = await fetch(`${gateway.bff}/metrics`, {
      headers: { authorization: `Bearer ${gateway.adminToken}` },
    })
    return /^bff_idp_requests_total\{endpoint="token",status="200"\} (\d+)$/m.exec(
      await metrics.text(),
    )?.[1]
  }
  const attacks: [string, (callback: URL) => void][] = [
    ['of another issuer', (url) => url.searchParams.set('iss', 'https://evil.example')],
    ['of no issuer', (url) => url.searchParams.delete('iss')],
    ['of two issuers', (url) => url.searchParams.append('iss', 'https://evil.example')],
    [
      'of nearly the issuer',
      (url) => url.searchParams.set('iss', `${url.searchParams.get('iss')}/`),
    ],
  ]
  const known = await gateway.signedIn()
  await until('the mints after the login', async () => {
    const session = await gateway.openSession(known)
    return session?.tokens.size === gateway.config().eagerServices.length
  })
  const before = await redeemed()
  assert.ok(Number(before) > 0)
  for (const [name, attack] of attacks) {
    await t.test(name, async () => {
      const arrived = await known.follow(
        await known.fetch('/auth/login?return_to=/x'),
        ({ pathname }) => pathname === '/auth/callback',
      )
      const callback = new URL(arrived.headers.get('location') ?? '')
      attack(callback)
      await assertProblem(await known.fetch(callback.href), 'LOGIN_FAILED')
      assert.equal(await redeemed(), before)
    })
  }
})
