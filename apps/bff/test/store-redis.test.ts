import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ROOT } from '@audience-bridge/testkit/config-copy.ts'
import { ACL_RULES, startRedis } from '@audience-bridge/testkit/redis.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { openRedis } from './redis-store.ts'
import { storeContract } from './store-contract.ts'
import { isOpen } from './store-contract-world.ts'

const redis = await startRedis({ after })
storeContract('Redis', 'by itself', () => () => openRedis(redis))

test('a Redis that makes room by itself is complained of, once', async (t) => {
  const policies = { 'allkeys-lru': 1, noeviction: 0 }
  for (const [policy, complaints] of Object.entries(policies)) {
    const evicting = await startRedis(t, [`maxmemory-policy ${policy}`])
    const logs: Record<string, unknown>[] = []
    const store = openRedis(evicting, {}, logs)
    t.after(() => store.close())
    await isOpen(store)
    const opened = () => logs.filter(({ message }) => /^the connection.*open/.test(`${message}`))
    await evicting.cli('client', 'kill', 'type', 'normal', 'skipme', 'yes')
    await until('another connection', () => opened().length === 2)
    await isOpen(store)
    const said = logs.filter(({ message }) => /maxmemory-policy to noeviction/.test(`${message}`))
    assert.equal(said.length, complaints, policy)
  }
})

test('the permissions under which all this works are those of the page', () => {
  const page = readFileSync(join(ROOT, 'docs/sessions.md'), 'utf8')
  assert.ok(page.includes(`user bff on >PASSWORD ${ACL_RULES}\n`))
})
