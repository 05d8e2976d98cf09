import assert from 'node:assert/strict'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import type { LiveStatus } from '@audience-bridge/kit/live.ts'
import * as oidc from 'openid-client'
import { parse, stringify } from 'yaml'
import { beginLogin, discover, exchange, login, tokenRequest } from './relying-party.ts'
import { ANALYTICS, CALLBACK, CRUD, PASSWORD, SECRET, startIdp, type TestIdp } from './start-idp.ts'
import { until } from './until.ts'

/** Rewrites a file as an editor does: a new file, renamed over the old one. */
function edit(file: string, change: (document: Record<string, Record<string, unknown>>) => void) {
  const document = parse(readFileSync(file, 'utf8'))
  change(document)
  writeFileSync(`${file}.swp`, stringify(document))
  renameSync(`${file}.swp`, file)
}

async function statusOf({ origin }: TestIdp): Promise<LiveStatus> {
  const response = await fetch(`${origin}/health/config`)
  assert.equal(response.status, 200)
  return (await response.json()) as LiveStatus
}

test('a change of allowed_audiences is in force within a second, for the logins that are', async (t) => {
  const idp = await startIdp(t)
  const { tokens } = await login(await discover(idp))
  assert.equal((await exchange(idp, tokens.access_token, { audience: CRUD })).status, 200)
  const before = await statusOf(idp)
  assert.equal(before.refused, false)

  const crud = async () => (await exchange(idp, tokens.access_token, { audience: CRUD })).status
  const took: number[] = []
  for (let round = 0; round < 3; round++) {
    const start = performance.now()
    edit(idp.files.clients, (clients) => {
      Object.assign(clients['bff-server'] ?? {}, { allowed_audiences: ['empowernow', ANALYTICS] })
    })
    await until(async () => (await crud()) === 400)
    took.push(performance.now() - start)
    assert.equal((await exchange(idp, tokens.access_token)).status, 200, 'the others go on')
    assert.notEqual((await statusOf(idp)).version, before.version)

    writeFileSync(idp.files.clients, stringify(idp.clients))
    await until(async () => (await crud()) === 200)
    assert.equal((await statusOf(idp)).version, before.version, 'the same content and version')
  }
  // The quickest: this machine may be busy with other tests.
  assert.ok(Math.min(...took) < 1_000, `${took} ms`)
  assert.ok(idp.logs.some((line) => line.message === 'config reloaded'))
})

test('a new scope mapping serves the session of before', async (t) => {
  const idp = await startIdp(t)
  const { tokens } = await login(await discover(idp))
  const audience = 'https://unmapped.example'
  assert.equal((await exchange(idp, tokens.access_token, { audience })).status, 400)
  const settings = structuredClone(idp.settings)
  settings.token.audience_mappings.scope_mappings[0]?.audiences.push(audience)
  writeFileSync(idp.files.settings, stringify(settings))
  await until(async () => (await exchange(idp, tokens.access_token, { audience })).status === 200)
})

test('a rotated secret is in force within a second, and the old one is not', async (t) => {
  const idp = await startIdp(t)
  const file = join(idp.dataDir, 'bff.secret')
  writeFileSync(file, SECRET)
  edit(idp.files.clients, (clients) => {
    Object.assign(clients['bff-server'] ?? {}, { client_secret: `file:${file}` })
  })
  const ask = () => tokenRequest(idp, { grant_type: 'client_credentials', audience: CRUD })
  await idp.reload()
  assert.equal((await ask()).status, 200)

  const { version } = await statusOf(idp)
  writeFileSync(file, `${SECRET}-new`)
  await until(async () => (await ask()).body.error === 'invalid_client')
  assert.notEqual((await statusOf(idp)).version, version)
  writeFileSync(file, SECRET)
  await until(async () => (await ask()).status === 200)
})

interface Slip {
  name: string
  spoil(idp: TestIdp): void
  says: RegExp[]
}

const SLIPS: Slip[] = [
  {
    name: 'broken YAML',
    spoil: ({ files }) => writeFileSync(files.settings, 'server: {port: [\n'),
    says: [/settings\.yaml:\d+:\d+/],
  },
  {
    name: 'faults in both files, all at once',
    spoil: ({ files }) => {
      writeFileSync(files.settings, 'server: {prot: 1}\n')
      writeFileSync(files.clients, 'c: {grant_types: [implicit], scopes: []}\n')
    },
    says: [/settings\.yaml:1:\d+.*prot/, /clients\.yaml:1:\d+.*c\.grant_types/],
  },
  {
    name: 'a secret that is no text',
    spoil: ({ files }) =>
      edit(files.clients, (clients) => {
        Object.assign(clients['bff-server'] ?? {}, { client_secret: 70073173 })
      }),
    says: [/clients\.yaml:\d+:\d+: bff-server\.client_secret: found a value that is not shown/],
  },
  {
    name: 'two clients without their secret files',
    spoil: ({ files }) =>
      edit(files.clients, (clients) => {
        for (const name of ['bff-server', 'machine']) {
          Object.assign(clients[name] ?? {}, { client_secret: `file:/nowhere/${name}` })
        }
      }),
    says: [/client "bff-server": cannot read .*\/nowhere\/bff/, /client "machine": cannot read/],
  },
  {
    name: 'a client that cannot be registered',
    spoil: ({ files }) =>
      edit(files.clients, (clients) => {
        Object.assign(clients['bff-server'] ?? {}, { redirect_uris: [] })
      }),
    says: [/client "bff-server" cannot be registered: redirect_uris/],
  },
  {
    name: 'a missing file',
    spoil: ({ files }) => renameSync(files.clients, `${files.clients}~`),
    says: [/cannot read .*clients\.yaml/],
  },
  {
    name: 'what needs a restart, beside a change that does not',
    spoil: ({ files, issuer }) =>
      edit(files.settings, ({ server, store, token }) => {
        Object.assign(server ?? {}, { port: 1, issuer: `${issuer}/other` })
        Object.assign(store ?? {}, { path: 'elsewhere' })
        Object.assign(token ?? {}, { access_token_seconds: 77 })
      }),
    says: [
      /settings\.yaml:\d+:\d+: server\.port: found 1; expected \d+.*needs a restart/,
      /server\.issuer: .*restart/,
      /store\.path: found "elsewhere"; .*restart/,
    ],
  },
]

test('a slip changes nothing, is reported whole, and heals', async (t) => {
  const idp = await startIdp(t)
  const { tokens } = await login(await discover(idp))
  const { version, loaded_at } = await statusOf(idp)

  for (const { name, spoil, says } of SLIPS) {
    await t.test(name, async () => {
      idp.logs.length = 0
      spoil(idp)
      await until(async () => (await statusOf(idp)).refused)
      const status = await statusOf(idp)
      assert.equal(status.version, version)
      for (const pattern of says) {
        assert.ok(
          status.faults.some((line) => pattern.test(line)),
          `${pattern} is not among ${status.faults.join('\n')}`,
        )
      }
      const refused = idp.logs.find((line) => line.message === 'config refused')
      assert.deepEqual([refused?.level, refused?.faults], [50, status.faults])
      assert.doesNotMatch(JSON.stringify([status, idp.logs]), /70073173|thirty-two-characters/)
      const { status: code, body } = await exchange(idp, tokens.access_token)
      assert.deepEqual([code, body.expires_in], [200, 600])

      writeFileSync(idp.files.settings, stringify(idp.settings))
      writeFileSync(idp.files.clients, stringify(idp.clients))
      await until(async () => !(await statusOf(idp)).refused)
    })
  }
  const healed = await statusOf(idp)
  assert.equal(healed.version, version)
  assert.ok(healed.loaded_at > loaded_at)
})

test('a login whose page is open while the configuration changes completes under the new one', async (t) => {
  const idp = await startIdp(t)
  const config = await discover(idp)
  const started = await beginLogin(config)
  assert.equal(started.page.location, undefined, 'the page is open')

  edit(idp.files.settings, ({ token }) => Object.assign(token ?? {}, { access_token_seconds: 77 }))
  await until(async () => (await tokenRequest(idp, MACHINE_REQUEST)).body.expires_in === 77)

  const next = await started.browser.submit(started.page, { username: 'alice', password: PASSWORD })
  assert.ok(next.location)
  const callback = await started.browser.follow(next.location, CALLBACK)
  edit(idp.files.settings, ({ token }) => Object.assign(token ?? {}, { access_token_seconds: 78 }))
  await until(async () => (await tokenRequest(idp, MACHINE_REQUEST)).body.expires_in === 78)
  const tokens = await started.finish(callback.location ?? '')
  assert.equal(tokens.expires_in, 78)

  // The session, the grant and the refresh token of before go on.
  edit(idp.files.settings, ({ token }) => Object.assign(token ?? {}, { access_token_seconds: 79 }))
  await until(async () => (await tokenRequest(idp, MACHINE_REQUEST)).body.expires_in === 79)
  const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '')
  assert.equal(refreshed.expires_in, 79)
  assert.equal((await login(config, { browser: started.browser })).asked, false)
})

const MACHINE_REQUEST = { grant_type: 'client_credentials', audience: CRUD, scope: 'crud.read' }
