import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import {
  newTicket,
  readTickets,
  seal,
  storeKeysFrom,
  unseal,
} from '@audience-bridge/bff/session/ticket.ts'
import { temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'

test('a ticket', async (t) => {
  const key = randomBytes(32)
  const keys = { current: key, all: [key] }
  const ticket = newTicket(keys)

  await t.test('is read back as itself, under the same key alone', () => {
    assert.deepEqual(readTickets(ticket.cookie, keys), [ticket])
    const other = randomBytes(32)
    const [elsewhere, here] = readTickets(ticket.cookie, { current: other, all: [other, key] })
    assert.notEqual(elsewhere?.id, ticket.id)
    assert.notDeepEqual(elsewhere?.dataKey, ticket.dataKey)
    assert.deepEqual(here, ticket, 'a further key still finds what it was used for')
  })

  await t.test('tells nothing by its public parts', () => {
    const parts = [ticket.cookie, ticket.id, ticket.csrf, ticket.dataKey.toString('hex')]
    assert.equal(new Set(parts).size, 4)
    assert.match(ticket.cookie, /^[A-Za-z0-9_-]{43}$/)
    assert.equal(new Set(Array.from({ length: 500 }, () => newTicket(keys).cookie)).size, 500)
  })

  await t.test('is not made from anything else', () => {
    for (const cookie of ['', 'x', 'A'.repeat(42), 'A'.repeat(44), `${'A'.repeat(42)}=`, '../x']) {
      assert.deepEqual(readTickets(cookie, keys), [])
    }
    assert.throws(() => storeKeysFrom(['short']), /32/)
  })
})

test('a seal', async (t) => {
  const key = randomBytes(32)
  const sealed = seal(key, 'id/analytics', { token: 'x' })

  await t.test('opens with its key and for its purpose', () => {
    assert.deepEqual(unseal(key, 'id/analytics', sealed), { token: 'x' })
    assert.notDeepEqual(seal(key, 'id/analytics', { token: 'x' }), sealed, 'no nonce comes twice')
  })

  await t.test('does not open moved, cut, altered or under another key', () => {
    for (const context of ['id/crud', 'other/analytics', 'id', '', 'id/analytics ']) {
      assert.equal(unseal(key, context, sealed), undefined, context)
    }
    assert.equal(unseal(randomBytes(32), 'id/analytics', sealed), undefined)
    for (let i = 0; i < sealed.length; i++) {
      const altered = Buffer.from(sealed)
      altered[i] = (altered[i] ?? 0) ^ 1
      assert.equal(unseal(key, 'id/analytics', altered), undefined, `byte ${i}`)
      assert.equal(unseal(key, 'id/analytics', sealed.subarray(0, i)), undefined, `cut at ${i}`)
    }
  })
})

test('a stolen store', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
  })
  const [victim, thief] = [await gateway.signedIn(), await gateway.signedIn()]
  for (const who of [victim, thief]) {
    assert.equal((await who.fetch('/api/v1/analytics/x')).status, 200)
    assert.equal((await who.fetch('/api/crud/x')).status, 200)
  }
  const { path = '' } = gateway.config().bridge.settings.store

  await t.test('holds no cookie, token, name or address that can be read, key or no key', () => {
    const copy = temporaryDirectory(t)
    cpSync(join(path, '..'), copy, { recursive: true })
    const all = readdirSync(copy)
      .filter((name) => name.startsWith('sessions.sqlite'))
      .map((name) => readFileSync(join(copy, name), 'latin1'))
      .join('')
    assert.ok(all.length > 4096)
    const cookies = victim.cookie.split('; ').map((pair) => pair.split('=')[1] ?? '')
    for (const secret of [
      ...cookies,
      'eyJ',
      'user-ben',
      'Test ben',
      'ben@example.com',
      'offline',
    ]) {
      assert.ok(!all.includes(secret), secret)
    }
  })

  await t.test(
    'whose rows are moved opens nothing: not as another, not for another service',
    async () => {
      const before = await gateway.openSession(victim)
      assert.ok(before)
      const db = new DatabaseSync(path)
      t.after(() => db.close())
      const ids = db
        .prepare('SELECT id FROM sessions ORDER BY id')
        .all()
        .map(({ id }) => String(id))
      assert.equal(ids.length, 2)
      // Each session gets the other's record, and each service the other's token.
      const records = db.prepare('SELECT id, sealed FROM sessions ORDER BY id').all()
      const tokens = db.prepare('SELECT session, service, sealed FROM tokens ORDER BY 1, 2').all()
      assert.equal(tokens.length, 4)
      for (const { session, service, sealed } of tokens) {
        const other = service === 'crud_service' ? 'analytics_service' : 'crud_service'
        db.prepare('UPDATE tokens SET sealed = ? WHERE session = ? AND service = ?').run(
          sealed as Uint8Array,
          Number(session),
          other,
        )
      }
      await gateway.restartBff()
      echo.arrivals.length = 0
      // The tokens do not open: new ones are minted, each for its own audience.
      assert.equal((await victim.fetch('/api/v1/analytics/x')).status, 200)
      assert.equal((await victim.fetch('/api/crud/x')).status, 200)
      assert.deepEqual(
        echo.arrivals.map(({ claims }) => claims?.aud),
        ['https://analytics.ocg.labs.empowernow.ai', 'https://crud.ocg.labs.empowernow.ai'],
      )

      for (const [i, id] of ids.entries()) {
        const other = records[1 - i]?.sealed as Uint8Array
        db.prepare('UPDATE sessions SET sealed = ? WHERE id = ?').run(other, id)
      }
      await gateway.restartBff()
      echo.arrivals.length = 0
      for (const who of [victim, thief]) {
        await assertProblem(await who.fetch('/api/v1/analytics/x'), 'SESSION_EXPIRED')
        assert.deepEqual(await who.session(), { authenticated: false })
      }
      assert.deepEqual(echo.arrivals, [])
    },
  )
})
