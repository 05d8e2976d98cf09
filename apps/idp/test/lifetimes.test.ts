import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import * as oidc from 'openid-client'
import { beginLogin, claimsOf, discover, login } from './relying-party.ts'
import { CALLBACK, startIdp } from './start-idp.ts'

test('a client learns when a login ends', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  const now = () => Math.floor(Date.now() / 1000)
  const pass = (seconds: number) => t.mock.timers.setTime(Date.now() + seconds * 1000)
  const token = { login_seconds: 900, refresh_token_seconds: 600 }
  const idp = await startIdp(t, { token })
  const config = await discover(idp)
  const began = now()
  const { tokens, browser } = await login(config)

  assert.equal(claimsOf(tokens.id_token).session_expiry, began + 900)
  assert.equal(tokens.refresh_token_expires_in, 600)
  pass(400)
  const next = await oidc.refreshTokenGrant(config, String(tokens.refresh_token))
  assert.equal(claimsOf(next.id_token).session_expiry, began + 900)
  assert.equal(next.refresh_token_expires_in, 500, 'the login ends before the refresh token')

  await t.test('also when the session goes on without it', async () => {
    const again = await login(config, { browser })
    assert.equal(again.asked, false)
    assert.equal(claimsOf(again.tokens.id_token).session_expiry, began + 1300)
    const other = await oidc.refreshTokenGrant(config, String(next.refresh_token))
    assert.equal(claimsOf(other.id_token).session_expiry, began + 1300)
    assert.equal(other.refresh_token_expires_in, 500)
  })

  await t.test('and userinfo and access tokens do not speak of it', async () => {
    const info = await oidc.fetchUserInfo(config, next.access_token, 'user-alice')
    assert.equal(info.session_expiry, undefined)
    assert.equal(claimsOf(next.access_token).session_expiry, undefined)
  })
})

test('a refresh tells the roles of now', async (t) => {
  const idp = await startIdp(t)
  const config = await discover(idp)
  const { tokens } = await login(config)
  const { users } = idp.settings.accounts
  writeFileSync(users, readFileSync(users, 'utf8').replace(/- admin\n/, '- auditor\n'))
  await idp.reload()
  const next = await oidc.refreshTokenGrant(config, String(tokens.refresh_token))
  assert.deepEqual(claimsOf(next.id_token).roles, ['auditor', 'analyst'])
  assert.deepEqual(claimsOf(next.access_token).roles, ['auditor', 'analyst'])
})

test('every authorization response says who sends it (RFC 9207)', async (t) => {
  const idp = await startIdp(t)
  const config = await discover(idp)
  assert.equal(config.serverMetadata().authorization_response_iss_parameter_supported, true)
  const { browser } = await login(config)
  const granted = await beginLogin(config, { browser })
  const refused = await beginLogin(config, { prompt: 'none' })
  for (const { page } of [granted, refused]) {
    assert.ok(page.location?.startsWith(CALLBACK))
    assert.equal(new URL(String(page.location)).searchParams.get('iss'), idp.issuer)
  }
  const { searchParams } = new URL(String(refused.page.location))
  assert.equal(searchParams.get('error'), 'login_required')
})
