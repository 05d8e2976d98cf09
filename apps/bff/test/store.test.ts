import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { openSqliteStore } from '@audience-bridge/bff/session/store-sqlite.ts'
import { temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'
import { captureLog } from '@audience-bridge/testkit/log.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { storeContract } from './store-contract.ts'
import { at, isHearing, newId, session } from './store-contract-world.ts'

storeContract('sqlite', 'swept', (t) => {
  const path = join(temporaryDirectory(t), 'sessions.sqlite')
  return () => openSqliteStore(path, captureLog([]))
})

const openShared = (path: string) => () => openSqliteStore(path, captureLog([]), { shared: true })

storeContract('shared sqlite', 'swept', (t) =>
  openShared(join(temporaryDirectory(t), 'sessions.sqlite')),
)

test('what a process did that is gone since is told to the others', async (t) => {
  const open = openShared(join(temporaryDirectory(t), 'sessions.sqlite'))
  const [dying, living] = [open(), open()]
  t.after(() => living.close())
  await isHearing(living)
  const id = newId()
  await dying.insertSession(id, session())
  const heard: unknown[] = []
  living.watch((news) => heard.push(news))
  const began = performance.now()
  await dying.deleteSession(id, 'logout')
  await dying.close()
  await until('the news', () => heard.length > 0)
  assert.ok(performance.now() - began < 1_000)
  assert.deepEqual(heard, [{ kind: 'ended', id, reason: 'logout' }])
})

// The attack: a process that was stopped for minutes goes on with sessions that ended meanwhile.
test('who missed news trusts nothing that it read before', async (t) => {
  const path = join(temporaryDirectory(t), 'sessions.sqlite')
  const store = openShared(path)()
  t.after(() => store.close())
  await isHearing(store)
  const id = newId()
  await store.insertSession(id, session())
  const readAt = performance.now()
  assert.ok(store.hearing.since <= readAt)
  const other = new DatabaseSync(path)
  t.after(() => other.close())
  // In one turn, so that nobody looks between: told, and deleted as old.
  for (const more of [false, true]) {
    const before = performance.now()
    const news = other.prepare("INSERT INTO news VALUES (NULL, 'x', 0, 'ended', ?, 'logout')")
    news.run(id)
    other.exec('DELETE FROM news')
    if (more) news.run(id)
    await until('the gap', () => store.hearing.since > before)
    const { since } = store.hearing
    await until('another look', () => store.hearing.provenAt > performance.now() - 20)
    assert.equal(store.hearing.since, since, 'one gap is told once')
  }
})

test('news that everybody has heard are swept', async (t) => {
  const path = join(temporaryDirectory(t), 'sessions.sqlite')
  const store = openShared(path)()
  const id = newId()
  await store.insertSession(id, session())
  await store.deleteSession(id, 'logout')
  const db = new DatabaseSync(path)
  t.after(() => db.close())
  const count = () => db.prepare('SELECT count(*) AS count FROM news').get()?.count
  assert.equal(await store.deleteExpired(at(0), 1_000, 100), 0)
  assert.equal(count(), 1)
  db.exec('UPDATE news SET at_ms = at_ms - 61000')
  assert.equal(await store.deleteExpired(at(0), 1_000, 100), 1)
  assert.equal(count(), 0)
  await store.close()
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
