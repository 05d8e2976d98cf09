import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { base64url, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const PATH = '/auth/backchannel-logout'

test('back-channel logout', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
  })
  const { issuer, clientId } = gateway.config().idp
  // Like the IdP: with its very key.
  const ring = JSON.parse(readFileSync(join(gateway.dataDirectory, 'idp/keys.json'), 'utf8'))
  const jwk = ring.signing[0] as JWK
  const idpKey = await importJWK(jwk, 'ES256')
  const now = () => Math.floor(Date.now() / 1000)
  const good = (more: object = {}) => ({
    iss: issuer,
    aud: clientId,
    iat: now(),
    exp: now() + 120,
    jti: randomUUID(),
    events: { [EVENT]: {} },
    ...more,
  })
  const sign = (
    claims: object,
    header: object = {},
    key: Parameters<SignJWT['sign']>[0] = idpKey,
  ) =>
    new SignJWT(JSON.parse(JSON.stringify(claims)))
      .setProtectedHeader({ alg: 'ES256', kid: jwk.kid ?? '', typ: 'logout+jwt', ...header })
      .sign(key)
  const post = (token: string) =>
    fetch(gateway.bff + PATH, {
      method: 'POST',
      body: new URLSearchParams({ logout_token: token }),
    })
  const isIn = async (who: Visitor) => (await who.session()).authenticated
  const sidOf = async (who: Visitor) => (await gateway.openSession(who))?.sid ?? ''

  await t.test('ends the sessions of one session at the IdP, and no other', async () => {
    const [gone, stays] = [await gateway.signedIn(), await gateway.signedIn()]
    const sid = await sidOf(gone)
    assert.notEqual(sid, '')
    assert.notEqual(sid, await sidOf(stays))
    const response = await post(await sign(good({ sid })))
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('cache-control'), 'no-store')
    assert.equal(await isIn(gone), false)
    assert.equal(await isIn(stays), true)
    const line = gateway.logs.find((log) => log.event === 'bff_session_ended')
    assert.equal(line?.reason, 'idp_logout')
    assert.equal(line?.by, issuer)
  })

  await t.test('ends all sessions of a user where no session is named', async () => {
    const [first, second] = [await gateway.signedIn(), await gateway.signedIn()]
    const other = await gateway.signedIn(USERS.admin)
    assert.equal((await post(await sign(good({ sub: 'user-ben' })))).status, 200)
    assert.equal(await isIn(first), false)
    assert.equal(await isIn(second), false)
    assert.equal(await isIn(other), true)
  })

  await t.test('a session and another user than its own end nothing', async () => {
    const who = await gateway.signedIn()
    assert.equal(
      (await post(await sign(good({ sub: 'user-ada', sid: await sidOf(who) })))).status,
      200,
    )
    assert.equal(await isIn(who), true)
  })

  await t.test('an order from before a login is not about it', async () => {
    const who = await gateway.signedIn()
    const old = good({ sub: 'user-ben', iat: now() - 300, exp: now() + 60 })
    assert.equal((await post(await sign(old))).status, 200)
    assert.equal(await isIn(who), true)
  })

  await t.test('what is no order is refused, and ends nothing', async (t) => {
    const who = await gateway.signedIn()
    const sid = await sidOf(who)
    const opened = await gateway.openSession(who)
    const foreign = await generateKeyPair('ES256')
    const { d: _, ...publicJwk } = jwk
    const publicText = Buffer.from(JSON.stringify(publicJwk))
    const unsigned = `${base64url.encode(JSON.stringify({ alg: 'none', typ: 'logout+jwt' }))}.${base64url.encode(JSON.stringify(good({ sid })))}.`
    const [head, body, signature] = (await sign(good({ sid }))).split('.')
    const swapped = base64url.encode(JSON.stringify(good({ sid, sub: 'user-ben' })))
    const attacks: [what: string, token: string][] = [
      ['for another client', await sign(good({ sid, aud: 'another-client' }))],
      ['of another issuer', await sign(good({ sid, iss: 'https://evil.example' }))],
      ['of an issuer that differs by a slash', await sign(good({ sid, iss: `${issuer}/` }))],
      ['with a nonce', await sign(good({ sid, nonce: 'n' }))],
      ['without events', await sign(good({ sid, events: undefined }))],
      ['with another event', await sign(good({ sid, events: { 'http://x/y': {} } }))],
      ['with an event that is no object', await sign(good({ sid, events: { [EVENT]: true } }))],
      ['with events as a list', await sign(good({ sid, events: [EVENT] }))],
      ['that has expired', await sign(good({ sid, iat: now() - 300, exp: now() - 120 }))],
      ['without an expiry', await sign(good({ sid, exp: undefined }))],
      ['that is too old to be remembered', await sign(good({ sid, iat: now() - 86_400 }))],
      ['of tomorrow', await sign(good({ sid, iat: now() + 86_400, exp: now() + 90_000 }))],
      ['without iat', await sign(good({ sid, iat: undefined }))],
      ['without jti', await sign(good({ sid, jti: undefined }))],
      ['with an empty jti', await sign(good({ sid, jti: '' }))],
      ['without sub and sid', await sign(good())],
      ['with a sid that is no text', await sign(good({ sid: [sid] }))],
      ['of another type', await sign(good({ sid }), { typ: 'at+jwt' })],
      ['with the algorithm none', unsigned],
      [
        'with HS256 and the public key as its secret',
        await sign(good({ sid }), { alg: 'HS256' }, new Uint8Array(publicText)),
      ],
      ['signed by somebody else', await sign(good({ sid }), {}, foreign.privateKey)],
      ['under an unknown key', await sign(good({ sid }), { kid: 'unknown' }, foreign.privateKey)],
      ['with claims that were changed', [head, swapped, signature].join('.')],
      ['cut short', [head, body].join('.')],
      ['that is an ID token', opened?.grant.id_token ?? ''],
      ['that is an access token', opened?.grant.access_token ?? ''],
      ['that is nothing', 'x'],
      ['that is empty', ''],
    ]
    for (const [what, token] of attacks) {
      await t.test(what, async () => {
        const response = await post(token)
        assert.equal(response.status, 400)
        assert.equal(response.headers.get('cache-control'), 'no-store')
        const answer = (await response.json()) as Record<string, string>
        assert.equal(answer.error, 'invalid_request')
        assert.match(answer.error_description ?? '', /\w{3}/)
      })
    }
    await t.test('sent as JSON, in the query, or twice', async () => {
      const token = await sign(good({ sid }))
      const url = gateway.bff + PATH
      const json = { 'content-type': 'application/json' }
      for (const response of [
        await fetch(url, {
          method: 'POST',
          headers: json,
          body: JSON.stringify({ logout_token: token }),
        }),
        await fetch(`${url}?logout_token=${token}`, { method: 'POST' }),
        await fetch(url, {
          method: 'POST',
          body: new URLSearchParams([
            ['logout_token', token],
            ['logout_token', token],
          ]),
        }),
      ]) {
        assert.equal(response.status, 400)
      }
      assert.equal((await fetch(`${url}?logout_token=${token}`)).status, 405)
    })
    assert.equal(await isIn(who), true, 'and after all of it the session lives')
  })

  await t.test('is taken once: a replay ends nobody who has signed in again', async () => {
    const first = await gateway.signedIn()
    const token = await sign(good({ sub: 'user-ben' }))
    assert.equal((await post(token)).status, 200)
    assert.equal(await isIn(first), false)
    const again = await gateway.signedIn()
    const replayed = await post(token)
    assert.equal(replayed.status, 400)
    assert.equal(await isIn(again), true)
    // Nor after a restart.
    await gateway.restartBff()
    assert.equal((await post(token)).status, 400)
    assert.equal(await isIn(again), true)
  })

  await t.test('asks the IdP to come again while its keys cannot be read', async () => {
    const who = await gateway.signedIn()
    const token = await sign(good({ sid: await sidOf(who) }))
    await gateway.restartBff()
    await gateway.stopIdp()
    const response = await post(token)
    assert.equal(response.status, 503)
    assert.ok(response.headers.get('retry-after'))
    await gateway.startIdp()
    // Not used up; a while after the IdP is back it is asked again.
    await until('the order', async () => (await post(token)).status === 200)
    assert.equal(await isIn(who), false)
  })
})
