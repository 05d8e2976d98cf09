import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openEmbedded } from '../src/engine/engine-chdb.ts'
import { migrate } from '../src/engine/migrate.ts'

const FIRST = '0001-events.sql'

test('a store of the first version keeps its events and learns of scopes', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'analytics-'))
  const engine = await openEmbedded(join(directory, 'chdb'))
  t.after(async () => {
    await engine.close()
    rmSync(directory, { recursive: true, force: true })
  })
  const sql = readFileSync(new URL(`../src/migrations/${FIRST}`, import.meta.url), 'utf8')
  await engine.command(sql.replace(/;\s*$/, ''))
  await engine.command(
    "CREATE TABLE migrations (name String, checksum String, applied_at DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY name",
  )
  const checksum = createHash('sha256').update(sql).digest('hex')
  await engine.insert('migrations', [{ name: FIRST, checksum, applied_at: '2026-08-01 00:00:00' }])
  await engine.insert('events', [{ key: '1', type: 'access', time: '2026-08-01 00:00:00' }])

  assert.deepEqual(await migrate(engine), ['0002-scopes.sql'])
  assert.deepEqual(await migrate(engine), [])
  assert.deepEqual(
    await engine.query('SELECT required_scope, token_scopes, scope_refused FROM events'),
    [{ required_scope: '', token_scopes: '', scope_refused: false }],
  )
})
