import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import type { ModelStore, StoreOptions } from '../src/adapter/adapter.ts'
import { openSqliteStore } from '../src/adapter/adapter-sqlite.ts'

type OpenStore = (t: TestContext, options: StoreOptions) => ModelStore

/** What every store promises; each implementation runs it. */
function storeContract(name: string, open: OpenStore): void {
  test(`the ${name} store`, async (t) => {
    let now = 1000
    const store = open(t, { now: () => now })
    const codes = store.adapter('AuthorizationCode')
    const refresh = store.adapter('RefreshToken', 10)
    const sessions = store.adapter('Session')

    await t.test('keeps models apart by kind and finds them whole', async () => {
      await codes.upsert('id', { jti: 'id', grantId: 'g', scope: 'a' }, 60)
      await sessions.upsert('id', { jti: 'id', uid: 'u', accountId: 'alice' }, 60)
      assert.deepEqual(await codes.find('id'), { jti: 'id', grantId: 'g', scope: 'a' })
      assert.equal((await sessions.findByUid('u'))?.accountId, 'alice')
      assert.equal(await refresh.find('id'), undefined)
    })

    await t.test('hides what has expired, at the very second', async () => {
      await sessions.upsert('short', { jti: 'short', uid: 'brief' }, 5)
      now += 4
      assert.ok(await sessions.find('short'))
      now += 1
      assert.equal(await sessions.find('short'), undefined)
      assert.equal(await sessions.findByUid('brief'), undefined)
    })

    await t.test('lets a code be used once', async () => {
      await codes.upsert('once', { jti: 'once' }, 60)
      await codes.consume('once')
      assert.equal((await codes.find('once'))?.consumed, now)
      await assert.rejects(codes.consume('once'), { name: 'AlreadyConsumed' })
      await assert.rejects(codes.consume('never there'), { name: 'AlreadyConsumed' })
    })

    await t.test('takes a rotated refresh token once more within its grace', async () => {
      await refresh.upsert('r', { jti: 'r', grantId: 'g2' }, 60)
      await refresh.consume('r')
      now += 10
      assert.equal((await refresh.find('r'))?.consumed, undefined)
      await refresh.consume('r')
      assert.ok((await refresh.find('r'))?.consumed)
      await assert.rejects(refresh.consume('r'), { name: 'AlreadyConsumed' })
    })

    await t.test('and not after it', async () => {
      await refresh.upsert('late', { jti: 'late', grantId: 'g2' }, 60)
      await refresh.consume('late')
      now += 11
      assert.ok((await refresh.find('late'))?.consumed)
      await assert.rejects(refresh.consume('late'), { name: 'AlreadyConsumed' })
    })

    await t.test('lets a name be claimed once until it expires', async () => {
      assert.equal(store.claim('client\njti', now + 60), true)
      assert.equal(store.claim('client\njti', now + 60), false)
      assert.equal(store.claim('client\nanother', now + 60), true)
      now += 60
      assert.equal(store.claim('client\njti', now + 60), true)
      assert.equal(store.claim('client\njti', now + 60), false)
    })

    await t.test('removes a grant with its models of one kind', async () => {
      await refresh.upsert('a', { jti: 'a', grantId: 'gone' }, 60)
      await refresh.upsert('b', { jti: 'b', grantId: 'stays' }, 60)
      await codes.upsert('c', { jti: 'c', grantId: 'gone' }, 60)
      await refresh.revokeByGrantId('gone')
      assert.equal(await refresh.find('a'), undefined)
      assert.ok(await refresh.find('b'))
      assert.ok(await codes.find('c'))
      await codes.destroy('c')
      assert.equal(await codes.find('c'), undefined)
    })
  })
}

const openSqlite: OpenStore = (t, options) => {
  const dir = mkdtempSync(join(tmpdir(), 'idp-store-'))
  const store = openSqliteStore(join(dir, 'deep', 'idp.sqlite'), options)
  t.after(() => {
    store.close()
    rmSync(dir, { recursive: true })
  })
  return store
}
storeContract('SQLite', openSqlite)

test('the SQLite file', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'idp-store-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const path = join(dir, 'idp.sqlite')
  let now = 1000
  const options = { now: () => now }
  const store = openSqliteStore(path, options)

  await t.test('holds no usable refresh token and is for its owner alone', async () => {
    await store.adapter('RefreshToken').upsert('the-refresh-token', { jti: 'the-refresh-token' }, 9)
    const bytes = ['', '-wal'].map((end) => readFileSync(`${path}${end}`, 'latin1')).join('')
    assert.ok(!bytes.includes('the-refresh-token'))
    assert.equal(statSync(path).mode & 0o077, 0)
  })

  await t.test('loses expired rows as others are written', async () => {
    now += 10
    await store.adapter('Session').upsert('s', { jti: 's' }, 60)
    now -= 10
    assert.equal(await store.adapter('RefreshToken').find('the-refresh-token'), undefined)
  })

  await t.test('is there again after a restart', async () => {
    store.close()
    const again = openSqliteStore(path, options)
    assert.ok(await again.adapter('Session').find('s'))
    again.close()
  })

  await t.test('that cannot be opened is named', () => {
    assert.throws(
      () => openSqliteStore(join(path, 'below-a-file'), options),
      /cannot open.*below-a-file/,
    )
  })
})
