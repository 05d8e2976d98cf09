import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { request } from 'node:http'
import test from 'node:test'
import * as oidc from 'openid-client'
import { stringify } from 'yaml'
import { discover, EXCHANGE, exchange, login, tokenRequest } from './relying-party.ts'
import { CRUD, startIdp, type TestIdp } from './start-idp.ts'

/** `fetch` may not set Host. */
function askMetrics({ origin }: TestIdp, headers: Record<string, string> = {}) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    request(`${origin}/metrics`, { headers }, (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      res.on('end', () => resolve({ status: res.statusCode ?? 0, text }))
    })
      .on('error', reject)
      .end()
  })
}

test('token grants are counted by grant, client and outcome', async (t) => {
  const idp = await startIdp(t)
  const config = await discover(idp)
  const { tokens } = await login(config)
  await Promise.all(Array.from({ length: 20 }, () => exchange(idp, tokens.access_token)))
  await exchange(idp, tokens.access_token, { audience: 'https://unmapped.example' })
  await exchange(idp, tokens.access_token, { audience: CRUD }, 'other-bff')
  await oidc.refreshTokenGrant(config, String(tokens.refresh_token))
  for (const grant_type of ['made-up-1', 'made-up-2']) await tokenRequest(idp, { grant_type })
  await tokenRequest(idp, { grant_type: 'client_credentials' }, { clientId: 'nobody' })

  const { text } = await askMetrics(idp)
  const counted = Object.fromEntries(
    [...text.matchAll(/^idp_token_grants_total\{(.*)\} (\d+)$/gm)].map(([, labels, count]) => [
      String(labels).replace(/grant_type="([^"]*)",client="([^"]*)",outcome="([^"]*)"/, '$1 $2 $3'),
      Number(count),
    ]),
  )
  assert.deepEqual(counted, {
    'authorization_code bff-server granted': 1,
    'refresh_token bff-server granted': 1,
    [`${EXCHANGE} bff-server granted`]: 20,
    [`${EXCHANGE} bff-server invalid_target`]: 1,
    [`${EXCHANGE} other-bff invalid_request`]: 1,
    'other bff-server unsupported_grant_type': 2,
    'client_credentials unknown invalid_client': 1,
  })
})

test('/metrics without a token answers this machine alone', async (t) => {
  const idp = await startIdp(t)
  assert.equal((await askMetrics(idp)).status, 200)
  const others = [
    { 'x-forwarded-for': '203.0.113.7' },
    { forwarded: 'for=203.0.113.7' },
    { via: '1.1 proxy' },
    { host: 'rebound.example' },
    { host: 'localhost.example:80' },
  ]
  for (const headers of others) {
    assert.equal((await askMetrics(idp, headers)).status, 404, JSON.stringify(headers))
  }
})

test('/metrics with a token asks for it, from this machine too', async (t) => {
  const idp = await startIdp(t, { adminToken: 'the-token-of-the-administrator' })
  const ask = async (token?: string, headers: Record<string, string> = {}) =>
    (
      await askMetrics(
        idp,
        token === undefined ? {} : { authorization: `Bearer ${token}`, ...headers },
      )
    ).status
  assert.equal(await ask(), 401)
  assert.equal(await ask('another'), 401)
  const far = { 'x-forwarded-for': '203.0.113.7', host: 'idp.example' }
  assert.equal(await ask('the-token-of-the-administrator', far), 200)

  const changed = { ...idp.settings, admin: { token: 'the-next-token' } }
  writeFileSync(idp.files.settings, stringify(changed))
  await idp.reload()
  assert.equal(await ask('the-token-of-the-administrator'), 401)
  assert.equal(await ask('the-next-token'), 200)
})
