import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { ensureSecretFile } from '@audience-bridge/kit/secret.ts'
import { replace } from '@audience-bridge/testkit/config-copy.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { ANALYTICS, issued, lazily, PATHS, startMinting } from './minting.ts'

const OLD = 'key: file:${BRIDGE_DATA:-.data}/secrets/bff-store.key\n'
const NEW = 'key: file:${BRIDGE_DATA:-.data}/secrets/new.key\n'
const further = (key: string) => `  further_keys: ["${key.trim().slice('key: '.length)}"]\n`

test('the key of the store is changed without a sign-out, and an old one stops opening', async (t) => {
  const { gateway } = await startMinting(t, lazily)
  ensureSecretFile(join(gateway.dataDirectory, 'secrets/new.key'))
  const settings = (from: string, to: string) =>
    gateway.restartBff({ 'BFF/config/settings.yaml': replace(from, to) })
  const early = await gateway.signedIn()
  assert.equal((await early.fetch(PATHS.analytics)).status, 200)
  const begun = gateway.visitor()
  const page = await begun.openLogin()

  await settings(`  ${OLD}`, `  ${OLD}${further(NEW)}`)
  await settings(`  ${OLD}${further(NEW)}`, `  ${NEW}${further(OLD)}`)
  assert.equal((await early.fetch(PATHS.analytics)).status, 200)
  assert.equal(issued(gateway, ANALYTICS).length, 1, 'the kept token still opens')
  const late = await gateway.signedIn()
  // A login that began under the old key is completed under the new one.
  const landed = await begun.submitLogin(page, { username: 'ben', password: 'correct horse ben' })
  assert.equal(landed.status, 302)

  await settings(`  ${NEW}${further(OLD)}`, `  ${NEW}`)
  await assertProblem(await early.fetch(PATHS.analytics), 'SESSION_EXPIRED')
  for (const who of [late, begun]) assert.equal((await who.fetch(PATHS.analytics)).status, 200)
})
