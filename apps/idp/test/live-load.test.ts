import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import test from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { stringify } from 'yaml'
import { discover, login, tokenRequest } from './relying-party.ts'
import { ANALYTICS, startIdp, type TestIdp } from './start-idp.ts'
import { until } from './until.ts'

/** Two configurations that differ in two files: what one answers, the other never may. */
function versions(idp: TestIdp) {
  const bff = idp.clients['bff-server']
  assert.ok(bff)
  const write = (access_token_seconds: number, allowed_audiences: string[]) => {
    const token = { ...idp.settings.token, access_token_seconds }
    writeFileSync(idp.files.settings, stringify({ ...idp.settings, token }))
    const clients = { ...idp.clients, 'bff-server': { ...bff, allowed_audiences } }
    writeFileSync(idp.files.clients, stringify(clients))
  }
  return {
    wide: () => write(60, ['empowernow', ANALYTICS]),
    narrow: () => write(120, ['empowernow']),
  }
}

test('100 reloads under constant load lose no request, and no request sees a mix', async (t) => {
  const idp = await startIdp(t)
  const { tokens } = await login(await discover(idp))
  const { wide, narrow } = versions(idp)
  wide()
  await idp.reload()

  let reloading = true
  const seen: Record<string, number> = {}
  const count = (what: string) => {
    seen[what] = (seen[what] ?? 0) + 1
  }
  const load: Record<string, () => Promise<void>> = {
    async mint() {
      const { status, body } = await tokenRequest(idp, {
        grant_type: 'client_credentials',
        audience: ANALYTICS,
        scope: 'api.read',
      })
      count(`mint ${status} ${body.error ?? body.expires_in}`)
    },
    async introspect() {
      const token = String(tokens.access_token)
      const { status, body } = await tokenRequest(idp, { token }, { path: '/introspect' })
      count(`introspect ${status} ${body.active}`)
    },
    async discover() {
      const response = await fetch(`${idp.issuer}/.well-known/openid-configuration`)
      await response.text()
      count(`discover ${response.status}`)
    },
  }
  const total = (counts: Record<string, number>) =>
    Object.values(counts).reduce((sum, value) => sum + value, 0)
  const workers = Object.values(load).flatMap((request) =>
    [1, 2].map(async () => {
      while (reloading) await request()
    }),
  )
  let swaps = 0
  for (let round = 0; round < 100; round++) {
    ;(round % 2 === 0 ? narrow : wide)()
    await idp.reload()
    const answered = total(seen)
    await until(() => total(seen) >= answered + 6)
    swaps = idp.logs.filter((line) => line.message === 'config reloaded').length
  }
  reloading = false
  await Promise.all(workers)

  assert.ok(swaps >= 100, `${swaps} reloads`)
  t.diagnostic(JSON.stringify(seen))
  assert.deepEqual(Object.keys(seen).sort(), [
    'discover 200',
    'introspect 200 true',
    'mint 200 60',
    'mint 400 invalid_target',
  ])
})

test('1,000 reloads leave no old configuration in memory', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const idp = await startIdp(t)
  const { wide, narrow } = versions(idp)
  const heapAfter = async (reloads: number) => {
    for (let round = 0; round < reloads; round++) {
      ;(round % 2 === 0 ? narrow : wide)()
      await idp.reload()
      // A version that served, not one that was only built.
      await (await fetch(`${idp.issuer}/jwks`)).text()
    }
    idp.logs.length = 0
    await new Promise(setImmediate)
    collect()
    return process.memoryUsage().heapUsed / 2 ** 20
  }
  const start = await heapAfter(100)
  const end = await heapAfter(900)
  t.diagnostic(`${start.toFixed(1)} MiB after 100 reloads, ${end.toFixed(1)} MiB after 1,000`)
  // A provider holds some 70 KiB: 900 of them kept are 64 MiB.
  assert.ok(end - start < 5, `grew from ${start} to ${end} MiB`)
})
