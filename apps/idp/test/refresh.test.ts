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

test('a refresh token that was just used', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  const pass = (seconds: number) => t.mock.timers.setTime(Date.now() + seconds * 1000)
  const idp = await startIdp(t)
  const config = await discover(idp)
  const refresh = (token: unknown) => oidc.refreshTokenGrant(config, String(token))

  /** No token of the login opens anything any more. */
  const assertEnded = async (...tokens: oidc.TokenEndpointResponse[]) => {
    for (const { access_token, refresh_token } of tokens) {
      await assert.rejects(refresh(refresh_token), { error: 'invalid_grant' })
      assert.equal((await exchange(idp, access_token)).body.error, 'invalid_grant')
      for (const token of [access_token, String(refresh_token)]) {
        assert.equal((await oidc.tokenIntrospection(config, token)).active, false)
      }
    }
  }

  await t.test('is taken once more within 10 s: the answer was lost', async () => {
    const { tokens } = await login(config)
    const lost = await refresh(tokens.refresh_token)
    pass(10)
    const repeated = await refresh(tokens.refresh_token)
    assert.equal(claimsOf(repeated.id_token).sid, claimsOf(tokens.id_token).sid)
    await refresh(repeated.refresh_token)
    await refresh(lost.refresh_token)
  })

  await t.test('ends the login when it comes a third time', async () => {
    const { tokens } = await login(config)
    const first = await refresh(tokens.refresh_token)
    const second = await refresh(tokens.refresh_token)
    await assert.rejects(refresh(tokens.refresh_token), { error: 'invalid_grant' })
    await assertEnded(first, second)
  })

  await t.test('ends the login when it comes later', async () => {
    const { tokens } = await login(config)
    const next = await refresh(tokens.refresh_token)
    pass(11)
    await assert.rejects(refresh(tokens.refresh_token), { error: 'invalid_grant' })
    await assertEnded(next)
  })

  await t.test('is worth nothing to another client, and its owner loses nothing', async () => {
    const { tokens } = await login(config)
    const next = await refresh(tokens.refresh_token)
    const other = await discover(idp, 'other-bff')
    for (let attempt = 0; attempt < 3; attempt++) {
      const stolen = oidc.refreshTokenGrant(other, String(tokens.refresh_token))
      await assert.rejects(stolen, { error: 'invalid_grant' })
    }
    await refresh(tokens.refresh_token)
    await refresh(next.refresh_token)
  })

  await t.test('does not outlive the revocation of its grant', async () => {
    const { tokens } = await login(config)
    const next = await refresh(tokens.refresh_token)
    await oidc.tokenRevocation(config, String(next.refresh_token))
    await assert.rejects(refresh(tokens.refresh_token), { error: 'invalid_grant' })
    await assertEnded(next)
  })

  await t.test('serves two requests at the same moment', async () => {
    const { tokens } = await login(config)
    const both = await Promise.all([refresh(tokens.refresh_token), refresh(tokens.refresh_token)])
    for (const { refresh_token } of both) await refresh(refresh_token)
  })

  await t.test('ends the login when three come at the same moment', async () => {
    const { tokens } = await login(config)
    const three = Array.from({ length: 3 }, () => refresh(tokens.refresh_token))
    const answers = await Promise.allSettled(three)
    const granted = answers.flatMap((answer) =>
      answer.status === 'fulfilled' ? [answer.value] : [],
    )
    assert.ok(granted.length < 3)
    await assertEnded(...granted)
  })
})

test('token.refresh_reuse_seconds: 0 takes no refresh token twice', async (t) => {
  const idp = await startIdp(t, { token: { refresh_reuse_seconds: 0 } })
  const config = await discover(idp)
  const { tokens } = await login(config)
  const next = await oidc.refreshTokenGrant(config, String(tokens.refresh_token))
  for (const { refresh_token: used } of [tokens, next]) {
    const again = oidc.refreshTokenGrant(config, String(used))
    await assert.rejects(again, { error: 'invalid_grant' })
  }
})

test('an IdP that restarts in between still takes a refresh token once more', async (t) => {
  const idp = await startIdp(t)
  const { tokens } = await login(await discover(idp))
  await oidc.refreshTokenGrant(await discover(idp), String(tokens.refresh_token))
  await idp.close()
  const { dataDir, origin } = idp
  const again = await startIdp(t, { dataDir, port: Number(new URL(origin).port) })
  const config = await discover(again)
  await oidc.refreshTokenGrant(config, String(tokens.refresh_token))
  const third = oidc.refreshTokenGrant(config, String(tokens.refresh_token))
  await assert.rejects(third, { error: 'invalid_grant' })
})
