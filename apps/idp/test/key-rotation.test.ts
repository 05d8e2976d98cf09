import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import { decodeProtectedHeader } from 'jose'
import { discover, exchange, login, logoutUrl } from './relying-party.ts'
import { AFTER_LOGOUT, startIdp, type TestIdp } from './start-idp.ts'

const HOUR = 3600
const DAY = 24 * HOUR

async function published({ issuer }: TestIdp): Promise<string[]> {
  const response = await fetch(`${issuer}/jwks`)
  const { keys } = (await response.json()) as { keys: Record<string, string>[] }
  for (const key of keys)
    assert.deepEqual(Object.keys(key).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  return keys.map(({ kid }) => String(kid)).sort()
}

const signerOf = (jwt: unknown) => decodeProtectedHeader(String(jwt)).kid

test('a signing key is followed by a new one while the IdP runs', async (t) => {
  const time = t.mock.timers
  time.enable({ apis: ['Date'], now: Date.now() })
  const idp = await startIdp(t, { token: { signing_key_days: 30 } })
  const pass = async (seconds: number) => {
    time.setTime(Date.now() + seconds * 1000)
    // What the IdP does once a minute.
    await idp.reload()
  }
  const signIn = async () => login(await discover(idp))
  const [first] = await published(idp)
  assert.equal(signerOf((await signIn()).tokens.access_token), first)
  await pass(30 * DAY - HOUR - 1)
  assert.deepEqual(await published(idp), [first])

  await pass(1)
  const second = (await published(idp)).find((kid) => kid !== first)
  const before = await signIn()
  let young = before
  await t.test('which is published an hour before it signs', async () => {
    assert.equal((await published(idp)).length, 2)
    assert.equal(signerOf(before.tokens.access_token), first)
    await pass(HOUR - 1)
    young = await signIn()
    assert.equal(signerOf(young.tokens.access_token), first)
    await pass(1)
    const { access_token, id_token } = (await signIn()).tokens
    assert.deepEqual([signerOf(access_token), signerOf(id_token)], [second, second])
  })

  await t.test('and what the old one signed still counts', async () => {
    assert.equal((await exchange(idp, young.tokens.access_token)).status, 200)
    const page = await before.browser.open(
      logoutUrl(await discover(idp), before.tokens.id_token).href,
    )
    assert.equal((await before.browser.submit(page, {})).location, AFTER_LOGOUT)
  })

  await t.test('and which is there after a restart, for its owner alone', async (t) => {
    const { keys } = idp.settings.store
    assert.equal(statSync(keys).mode & 0o077, 0)
    await idp.close()
    const { dataDir, origin } = idp
    const port = Number(new URL(origin).port)
    const again = await startIdp(t, { dataDir, port, token: { signing_key_days: 30 } })
    assert.equal((await published(again)).length, 2)
    assert.equal(signerOf((await login(await discover(again))).tokens.access_token), second)
    await again.close()
  })

  await t.test('until nothing does', async (t) => {
    const { dataDir, origin, settings } = idp
    const port = Number(new URL(origin).port)
    const again = await startIdp(t, { dataDir, port, token: { signing_key_days: 30 } })
    const wait = async (seconds: number) => {
      time.setTime(Date.now() + seconds * 1000)
      await again.reload()
    }
    await wait(settings.token.login_seconds)
    assert.equal((await published(again)).length, 2)
    await wait(400)
    assert.deepEqual(await published(again), [second])
  })
})

test('a key that an administrator puts first signs at once', async (t) => {
  const idp = await startIdp(t, { token: { signing_key_days: 0 } })
  const other = await startIdp(t)
  const { tokens } = await login(await discover(idp))
  const keys = JSON.parse(readFileSync(idp.settings.store.keys, 'utf8'))
  const {
    iat: _,
    nbf: __,
    ...made
  } = JSON.parse(readFileSync(other.settings.store.keys, 'utf8')).signing[0]
  keys.signing.unshift(made)
  writeFileSync(idp.settings.store.keys, JSON.stringify(keys))
  await idp.reload()
  const next = await login(await discover(idp))
  assert.equal(signerOf(next.tokens.access_token), made.kid)
  assert.equal((await exchange(idp, tokens.access_token)).status, 200)

  await t.test('and a file that is malformed changes nothing', async () => {
    writeFileSync(idp.settings.store.keys, '{')
    await idp.reload()
    assert.ok(idp.logs.some(({ message }) => message === 'config refused'))
    const { access_token } = (await login(await discover(idp))).tokens
    assert.equal(signerOf(access_token), made.kid)
  })
})
