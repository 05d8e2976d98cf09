import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import type { SessionStore } from '@audience-bridge/bff/session/store.ts'
import {
  startRedis,
  startRedisCluster,
  startRedisSentinels,
} from '@audience-bridge/testkit/redis.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { openRedis } from './redis-store.ts'

const newId = () => randomBytes(32).toString('hex')

async function insertSession(store: SessionStore, id = newId()): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const times = { createdAt: now, seenAt: now, expiresAt: now + 600 }
  const records = { sealed: Buffer.from('record'), card: Buffer.from('card'), keys: [] }
  await store.insertSession(id, { ...records, ...times })
  return id
}

/** Keeps a session that is found again whatever happens later; a busy machine may need some tries. */
const keepSession = (store: SessionStore) =>
  until('the insertion', () => insertSession(store).catch(() => undefined))

const closing = (t: TestContext, store: SessionStore) => {
  t.after(() => store.close())
  return store
}

/** That each of `calls` fails within a second, all begun at once. */
async function assertAway(...calls: (() => Promise<unknown>)[]): Promise<void> {
  const began = performance.now()
  const outcomes = await Promise.allSettled(calls.map((call) => call()))
  const took = performance.now() - began
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    calls.map(() => 'rejected'),
  )
  assert.ok(took < 1000, `${took} ms`)
}

const isBack = (store: SessionStore, id: string) =>
  until('the recovery', () =>
    store.readSession(id).then(
      (session) => {
        assert.equal(session?.sealed.toString(), 'record', 'a session is never said to be absent')
        return true
      },
      () => false,
    ),
  )

/** Every method that asks the store something. */
const everything = (store: SessionStore, id: string) => [
  () => store.readSession(id),
  () => insertSession(store),
  () => store.replaceSession(id, Buffer.from('other'), 99),
  () => store.touchSession(id, 1),
  () => store.deleteSession(id, 'idle', 1),
  () => store.listSessions('all', { limit: 10 }),
  () => store.countSessions(),
  () => store.readTokens(id),
  () => store.writeToken(id, 'analytics', Buffer.from('x'), 1, 1),
  () => store.deleteToken(id, 'analytics'),
  () => store.acquireLease(id, 'mint', 'nobody', 1),
  () => store.renewLease(id, 'mint', 'nobody', 1),
  () => store.releaseLease(id, 'mint', 'nobody'),
  () => store.readLogin(id),
  () => store.useLogin(id),
  () => store.useOnce(id, Math.floor(Date.now() / 1000) + 60),
  () => store.readDocument('ring'),
  () => store.replaceDocument('ring', Buffer.from('x'), 99),
  () => store.ping(),
]

test('a Redis that is paused fails every call within a second, and comes back by itself', async (t) => {
  const redis = await startRedis(t)
  const store = closing(t, openRedis(redis))
  const id = await keepSession(store)
  redis.pause()
  await assertAway(...everything(store, id))
  // Not only the first ones: whoever comes later must not queue behind them.
  await assertAway(() => store.readSession(id))
  await assertAway(...everything(store, id))
  redis.resume()
  await isBack(store, id)
})

test('a Redis that is paused while nobody asks is noticed all the same', async (t) => {
  const redis = await startRedis(t)
  const logs: Record<string, unknown>[] = []
  const store = closing(t, openRedis(redis, {}, logs))
  const id = await keepSession(store)
  redis.pause()
  const told = (message: string) => logs.filter((line) => line.message === message).length
  await until('the notice', () => told('the connection to Redis is lost') === 1)
  redis.resume()
  await isBack(store, id)
  assert.equal(told('the connection to Redis is open'), 2)
})

test('a Redis that is killed fails every call at once, and has kept what it acknowledged', async (t) => {
  const redis = await startRedis(t)
  const store = closing(t, openRedis(redis))
  const ids = await Promise.all(Array.from({ length: 50 }, () => keepSession(store)))
  const [id = ''] = ids
  await redis.kill()
  await assertAway(...everything(store, id))
  await assertAway(...everything(store, id))
  await redis.start()
  await isBack(store, id)
  for (const kept of ids) await isBack(store, kept)
})

test('a Redis that comes after the BFF is waited for', async (t) => {
  const redis = await startRedis(t)
  await redis.kill()
  const store = closing(t, openRedis(redis))
  const id = newId()
  await assertAway(...everything(store, id))
  await redis.start()
  await until('the connection', () => insertSession(store, id).catch(() => undefined))
  await isBack(store, id)
})

test('a wrong password is an outage that says so, and no absent session', async (t) => {
  const redis = await startRedis(t)
  const store = closing(t, openRedis({ ...redis, password: 'wrong' }))
  await until('the refusal', () =>
    store.readSession(newId()).then(
      () => assert.fail('an answer'),
      (cause: unknown) => /WRONGPASS/.test(String(cause)),
    ),
  )
  await assertAway(...everything(store, newId()))
})

test('a user who may not do all that is needed gets errors, no empty answers', async (t) => {
  const redis = await startRedis(t)
  const store = closing(t, openRedis(redis))
  const id = await keepSession(store)
  await redis.cli('acl', 'setuser', 'bff', '-hmget', '-eval')
  await assert.rejects(store.readSession(id), /NOPERM/)
  await assert.rejects(store.useLogin(id), /NOPERM/)
  await redis.cli('acl', 'setuser', 'bff', '+hmget', '+eval')
  await isBack(store, id)
})

for (const how of ['paused', 'killed'] as const) {
  test(`a cluster whose one node is ${how} answers for the keys of the others`, async (t) => {
    const cluster = await startRedisCluster(t)
    const store = closing(t, openRedis(cluster, { cluster: true }))
    const ids = await Promise.all(Array.from({ length: 30 }, () => keepSession(store)))
    const [node] = cluster.nodes
    assert.ok(node)
    const own = new Set((await node.cli('keys', '*')).match(/[0-9a-f]{64}/g))
    const [there, elsewhere] = [ids.filter((id) => own.has(id)), ids.filter((id) => !own.has(id))]
    assert.ok(there.length > 0 && elsewhere.length > 0)
    const [id = ''] = there

    if (how === 'paused') node.pause()
    else await node.kill()
    for (let round = 0; round < 3; round++) {
      await assertAway(...there.map((away) => () => store.readSession(away)))
      const found = await Promise.all(elsewhere.map((other) => store.readSession(other)))
      assert.ok(found.every(Boolean), 'the others go on')
    }
    if (how === 'paused') node.resume()
    else await node.start()
    await isBack(store, id)
    for (const kept of ids) await isBack(store, kept)
  })
}

test('sentinels lead to the new master after a failover', async (t) => {
  const { master, replica, sentinelPassword, ...entry } = await startRedisSentinels(t)
  const store = closing(t, openRedis(entry, { sentinelMaster: 'main', sentinelPassword }))
  const id = await keepSession(store)
  await until('the replica in step', async () => (await replica.cli('keys', '*')).includes(id))
  await master.kill()
  await assertAway(...everything(store, id))
  await until('the failover', () => store.readSession(id).catch(() => undefined), 60_000)
  // The new master takes what is written.
  assert.equal(await store.replaceSession(id, Buffer.from('second'), 1), true)
  assert.match(await replica.cli('role'), /^master/)
  // The old one comes back as its replica, or is told to become one: nobody writes to it.
  await master.start()
  assert.equal(await store.replaceSession(id, Buffer.from('third'), 2), true)
  assert.equal(await store.replaceSession(id, Buffer.from('stale'), 2), false)
})
