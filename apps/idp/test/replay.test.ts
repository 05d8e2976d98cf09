import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import * as oidc from 'openid-client'
import { pino } from 'pino'
import { openAccounts } from '../src/accounts/accounts.ts'
import { createAttempts } from '../src/accounts/attempts.ts'
import type { ModelStore } from '../src/adapter/adapter.ts'
import { openSqliteStore } from '../src/adapter/adapter-sqlite.ts'
import { createAudit } from '../src/audit.ts'
import { registerClients } from '../src/clients.ts'
import { openKeys } from '../src/keys.ts'
import { createLogoutDelivery } from '../src/logout-delivery.ts'
import { createMetrics } from '../src/metrics.ts'
import { createService } from '../src/service.ts'
import { siteOf } from '../src/site.ts'
import { discover, exchange, login, tokenRequest } from './relying-party.ts'
import { startIdp, type TestIdp } from './start-idp.ts'

/** A second IdP over the store of `idp`, which lets `many` look before one of them may write. */
async function startRace(t: TestContext, idp: TestIdp, model: string, many: number) {
  const { settings, clients, dataDir } = idp
  const log = pino({ level: 'silent' })
  const file = openSqliteStore(join(dataDir, 'idp.sqlite'), { now: () => Date.now() / 1000 })
  const gate = Promise.withResolvers<void>()
  let looking = 0
  const store: ModelStore = {
    ...file,
    adapter(kind, reuseSeconds) {
      const adapter = file.adapter(kind, reuseSeconds)
      if (kind !== model) return adapter
      return {
        ...adapter,
        async find(id) {
          const found = await adapter.find(id)
          if (++looking === many) gate.resolve()
          await gate.promise
          return found
        },
      }
    },
  }
  const accounts = await openAccounts(settings.accounts.users, log)
  const keys = await openKeys(join(dataDir, 'keys.json'))
  const site = siteOf(idp.issuer)
  const service = await createService(
    {
      ...{ site, store, log, attempts: createAttempts(() => 0), audit: createAudit(log) },
      ...{ metrics: createMetrics(), addressOf: () => '' },
      ...{ accounts, clientCertificates: false, logouts: createLogoutDelivery(log) },
    },
    {
      ...{ version: 'race', keys, token: settings.token },
      clients: registerClients(clients, settings.token.audience_mappings.scope_mappings).registered,
    },
  )
  const server = createServer((req, res) => {
    void service.handle(req, res, (req.url ?? '').slice(site.base.length), 'race')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
    accounts.close()
    file.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { ...idp, issuer: `http://127.0.0.1:${address.port}${site.base}` }
}

test('uses of a refresh token that did not see each other', async (t) => {
  const idp = await startIdp(t)
  const config = await discover(idp)
  for (const [many, granted] of [
    [2, 2],
    [3, 2],
  ] as const) {
    const what = granted === many ? 'are both served' : 'end the login'
    await t.test(`${many} of them ${what}`, async (t) => {
      const { tokens } = await login(config)
      const race = await startRace(t, idp, 'RefreshToken', many)
      const form = { grant_type: 'refresh_token', refresh_token: String(tokens.refresh_token) }
      const answers = await Promise.all(
        Array.from({ length: many }, () => tokenRequest(race, form)),
      )
      assert.equal(answers.filter(({ status }) => status === 200).length, granted)

      for (const { status, body } of answers) {
        if (status !== 200) {
          assert.equal(body.error, 'invalid_grant')
          continue
        }
        const next = oidc.refreshTokenGrant(config, String(body.refresh_token))
        if (granted === many) await next
        else await assert.rejects(next, { error: 'invalid_grant' })
      }
      const { status } = await exchange(idp, tokens.access_token)
      assert.equal(status, granted === many ? 200 : 400)
    })
  }
})
