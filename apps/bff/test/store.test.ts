import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { openSqliteStore } from '@audience-bridge/bff/session/store-sqlite.ts'
import { temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'
import { captureLog } from '@audience-bridge/testkit/log.ts'
import { storeContract } from './store-contract.ts'
import { at, newId, session } from './store-contract-world.ts'

storeContract('sqlite', 'swept', (t) => {
  const path = join(temporaryDirectory(t), 'sessions.sqlite')
  return () => openSqliteStore(path, captureLog([]))
})

test('a file that another version has written is begun anew, and says so', async (t) => {
  const path = join(temporaryDirectory(t), 'sessions.sqlite')
  const before = new DatabaseSync(path)
  before.exec('PRAGMA journal_mode = WAL; CREATE TABLE sessions (id TEXT PRIMARY KEY)')
  before.exec("INSERT INTO sessions VALUES ('old')")
  before.close()
  const logs: Record<string, unknown>[] = []
  const open = () => openSqliteStore(path, captureLog(logs))
  const store = open()
  assert.match(String(logs[0]?.message), /begins empty, and all users sign in again/)
  assert.equal(await store.countSessions(), 0)
  const id = newId()
  await store.insertSession(id, session())
  await store.close()
  const again = open()
  assert.ok(await again.readSession(id))
  assert.equal(logs.length, 1, 'the same version keeps what is there')
  await again.close()
})

test('a sweep ends a session with all that belongs to it', async (t) => {
  const path = join(temporaryDirectory(t), 'sessions.sqlite')
  const store = openSqliteStore(path, captureLog([]))
  const id = newId()
  const keys = [{ kind: 'user' as const, hash: 'ben' }]
  await store.insertSession(id, session({ keys, expiresAt: at(2_000) }))
  await store.acquireLease(id, 'mint', 'a', 60_000)
  await store.writeToken(id, 'analytics', Buffer.from('x'), at(9_000), 1)
  await store.useOnce('jti', at(2_000))
  assert.equal(await store.deleteExpired(at(3_000), 9_000, 100), 2)
  await store.close()
  const db = new DatabaseSync(path)
  for (const table of ['sessions', 'session_keys', 'tokens', 'leases', 'once']) {
    assert.equal(db.prepare(`SELECT 1 FROM ${table}`).get(), undefined, table)
  }
  db.close()
})
