import assert from 'node:assert/strict'
import test from 'node:test'
import * as oidc from 'openid-client'
import { claimsOf, discover, exchange, login } from './relying-party.ts'
import { startIdp } from './start-idp.ts'

test('refresh tokens rotate', async (t) => {
  const idp = await startIdp(t)
  const config = await discover(idp)
  const refresh = (token: unknown) => oidc.refreshTokenGrant(config, String(token))

  await t.test('a refresh brings new tokens of the same login', async () => {
    const { tokens } = await login(config)
    const next = await refresh(tokens.refresh_token)
    assert.notEqual(next.refresh_token, tokens.refresh_token)
    const claims = claimsOf(next.access_token)
    assert.equal(claims.aud, 'empowernow')
    assert.equal(claims.sub, 'user-alice')
    assert.equal(claimsOf(next.id_token).sid, claimsOf(tokens.id_token).sid)
    assert.equal((await exchange(idp, next.access_token)).status, 200)
  })

  await t.test('a client that lost the answer may repeat once', async () => {
    const { tokens } = await login(config)
    const lost = await refresh(tokens.refresh_token)
    const repeated = await refresh(tokens.refresh_token)
    await refresh(repeated.refresh_token)
    await refresh(lost.refresh_token)
  })

  await t.test('a second repetition is a replay and ends the login', async () => {
    const { tokens } = await login(config)
    await refresh(tokens.refresh_token)
    const latest = await refresh(tokens.refresh_token)
    await assert.rejects(refresh(tokens.refresh_token), { error: 'invalid_grant' })
    await assert.rejects(refresh(latest.refresh_token), { error: 'invalid_grant' })
    assert.equal((await exchange(idp, latest.access_token)).body.error, 'invalid_grant')
  })

  await t.test('another client cannot use it', async () => {
    const { tokens } = await login(config)
    const other = await discover(idp, 'other-bff')
    const stolen = oidc.refreshTokenGrant(other, String(tokens.refresh_token))
    await assert.rejects(stolen, { error: 'invalid_grant' })
    await refresh(tokens.refresh_token)
  })

  await t.test('it cannot grow beyond what was granted', async () => {
    const { tokens } = await login(config, { scope: 'openid' })
    const more = oidc.refreshTokenGrant(config, String(tokens.refresh_token), {
      scope: 'openid application.all',
    })
    await assert.rejects(more, { error: 'invalid_scope' })
  })
})
