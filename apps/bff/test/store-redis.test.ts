import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ROOT } from '@audience-bridge/testkit/config-copy.ts'
import { ACL_RULES, startRedis } from '@audience-bridge/testkit/redis.ts'
import { openRedis } from './redis-store.ts'
import { storeContract } from './store-contract.ts'

const redis = await startRedis({ after })
storeContract('Redis', 'by itself', () => () => openRedis(redis))

test('the permissions under which all this works are those of the page', () => {
  const page = readFileSync(join(ROOT, 'docs/sessions.md'), 'utf8')
  assert.ok(page.includes(`user bff on >PASSWORD ${ACL_RULES}\n`))
})
