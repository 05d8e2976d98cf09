import assert from 'node:assert/strict'
import { connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { SessionStore } from '@audience-bridge/bff/session/store.ts'
import {
  type RedisEntry,
  startRedis,
  startRedisCluster,
  startRedisSentinels,
} from '@audience-bridge/testkit/redis.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { openRedis } from './redis-store.ts'
import { isHearing, isOpen, newId, session } from './store-contract-world.ts'

/** A busy machine may look later. */
const BUSY_MS = 500

/** Two nodes that hear each other. */
async function openTwo(t: TestContext, a: () => SessionStore, b: () => SessionStore = a) {
  const nodes = [a(), b()] as const
  t.after(() => Promise.all(nodes.map((node) => node.close())))
  await Promise.all(nodes.flatMap((node) => [isOpen(node), isHearing(node)]))
  return nodes
}

/** Whether the store claims that what was read at `checkedAt` has not ended since. */
function claims({ hearing }: SessionStore, checkedAt: number): boolean {
  return checkedAt >= hearing.since && performance.now() - hearing.provenAt < 1000
}

/** Ids of sessions whose end is told to `store`. */
function hearEnds(store: SessionStore): Set<string> {
  const ended = new Set<string>()
  store.watch((news) => news.kind === 'ended' && ended.add(news.id))
  return ended
}

/** A session that both have read, and when the second did. */
async function shareSession(a: SessionStore, b: SessionStore) {
  const id = newId()
  await a.insertSession(id, session())
  const checkedAt = performance.now()
  assert.ok(await b.readSession(id))
  assert.ok(claims(b, checkedAt))
  return { id, checkedAt }
}

/** A way to a Redis that can be stalled: nothing comes through, and nobody is told. */
async function startRelay(t: TestContext, { url, ...entry }: RedisEntry) {
  const pairs = new Set<{ near: Socket; far: Socket; subscribed: boolean }>()
  const server = createServer((near) => {
    const far = connect(Number(new URL(url).port), '127.0.0.1')
    const pair = { near, far, subscribed: false }
    pairs.add(pair)
    near.on('data', (chunk) => {
      pair.subscribed ||= chunk.includes('subscribe')
    })
    near.pipe(far)
    far.pipe(near)
    for (const socket of [near, far]) {
      socket.on('error', () => {})
      socket.on('close', () => {
        near.destroy()
        far.destroy()
        pairs.delete(pair)
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const { near } of pairs) near.destroy()
    server.close()
  })
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const relayed = new URL(url)
  relayed.port = String(address.port)
  return {
    entry: { ...entry, url: relayed.href },
    stall(which: 'all' | 'subscription') {
      for (const { near, far, subscribed } of pairs) {
        if (which === 'subscription' && !subscribed) continue
        far.unpipe(near)
        near.unpipe(far)
      }
    },
  }
}

// The attack: a session is ended, and a node that was not told goes on serving it.
for (const which of ['all', 'subscription'] as const) {
  const what = which === 'all' ? 'is cut off from Redis' : 'has a subscription that is stalled'
  test(`a node that ${what} stops claiming within a second that it would have heard`, async (t) => {
    const redis = await startRedis(t)
    const relay = await startRelay(t, redis)
    const open = () => openRedis(redis)
    const [a, b] = await openTwo(t, open, () => openRedis(relay.entry))
    const { id, checkedAt } = await shareSession(a, b)
    const heard = hearEnds(b)
    relay.stall(which)
    const began = performance.now()
    await a.deleteSession(id, 'logout')
    await until('the doubt', () => !claims(b, checkedAt))
    assert.ok(performance.now() - began < 1_000 + BUSY_MS)
    // New ways are open: it hears again, and does not claim to have heard what it has not.
    await isHearing(b)
    assert.ok(heard.has(id) || b.hearing.since > checkedAt)
    const next = await shareSession(a, b)
    await a.deleteSession(next.id, 'logout')
    await until('the news', () => heard.has(next.id), 1_000)
  })
}

test('a node whose subscription was cut does not claim to have heard what was told meanwhile', async (t) => {
  const redis = await startRedis(t)
  const [a, b] = await openTwo(t, () => openRedis(redis))
  const heard = hearEnds(b)
  for (let round = 0; round < 5; round++) {
    const { id, checkedAt } = await shareSession(a, b)
    await redis.cli('client', 'kill', 'type', 'pubsub')
    await a.deleteSession(id, 'logout')
    await until('the subscription', () => b.hearing.provenAt > performance.now() - 250)
    await until('the end, or doubt', () => heard.has(id) || !claims(b, checkedAt), 1_000)
    await isHearing(b)
    assert.ok(heard.has(id) || b.hearing.since > checkedAt)
  }
})

test('a Redis that is paused, and one that is started anew, interrupt the hearing', async (t) => {
  const redis = await startRedis(t)
  const [a, b] = await openTwo(t, () => openRedis(redis))
  for (const how of ['paused', 'killed'] as const) {
    const { id, checkedAt } = await shareSession(a, b)
    const ends = [a, b].map(hearEnds)
    const began = performance.now()
    if (how === 'paused') redis.pause()
    else await redis.kill()
    await until('the doubt', () => !claims(b, checkedAt) && !claims(a, checkedAt))
    assert.ok(performance.now() - began < 1_000 + BUSY_MS)
    if (how === 'paused') redis.resume()
    else await redis.start()
    await Promise.all([a, b].flatMap((node) => [isOpen(node), isHearing(node)]))
    assert.ok(b.hearing.since > checkedAt && a.hearing.since > checkedAt, how)
    assert.ok(await b.readSession(id))
    await a.deleteSession(id, 'logout')
    await until('the news', () => ends.every((heard) => heard.has(id)), 1_000)
  }
})

test('a node tells itself of an end even while it hears nothing', async (t) => {
  const redis = await startRedis(t)
  await redis.cli('acl', 'setuser', 'bff', '-subscribe')
  const logs: Record<string, unknown>[] = []
  const store = openRedis(redis, {}, logs)
  t.after(() => store.close())
  await isOpen(store)
  const heard = hearEnds(store)
  const id = newId()
  await store.insertSession(id, session())
  assert.equal(claims(store, performance.now()), false)
  await store.deleteSession(id, 'logout')
  assert.ok(heard.has(id))
  const told = () => logs.some(({ message }) => /subscription to Redis cannot/.test(`${message}`))
  await until('the complaint', told)
})

test('a cluster whose one node is paused: what the others tell is heard, and nothing is claimed', async (t) => {
  const cluster = await startRedisCluster(t)
  const [a, b] = await openTwo(t, () => openRedis(cluster, { cluster: true }))
  const heard = hearEnds(b)
  const shared = await Promise.all(Array.from({ length: 30 }, () => shareSession(a, b)))
  const [node] = cluster.nodes
  assert.ok(node)
  const own = await node.cli('keys', 'bff:session:*')
  const [there, elsewhere] = [
    shared.filter(({ id }) => own.includes(id)),
    shared.filter(({ id }) => !own.includes(id)),
  ]
  assert.ok(there.length > 0 && elsewhere.length > 0)

  node.pause()
  await until('the doubt', () => shared.every(({ checkedAt }) => !claims(b, checkedAt)))
  for (const { id } of elsewhere) await a.deleteSession(id, 'logout')
  // One of the two may have subscribed at the node that is paused.
  const living = () => elsewhere.some(({ id }) => heard.has(id))
  await until('the news', () => living() || b.hearing.since > performance.now() - 5_000)
  assert.equal(claims(b, performance.now() - 1), false)
  node.resume()
  await isHearing(b)
  await isOpen(a)
  for (const { id, checkedAt } of shared) assert.ok(heard.has(id) || b.hearing.since > checkedAt)
  for (const { id } of there) await until('the end', () => a.deleteSession(id, 'x').catch(() => {}))
  await until('the news', () => there.every(({ id }) => heard.has(id)))
})

test('after a failover the news come from the new master', async (t) => {
  const { master, replica, sentinelPassword, ...entry } = await startRedisSentinels(t)
  const options = { sentinelMaster: 'main', sentinelPassword }
  const [a, b] = await openTwo(t, () => openRedis(entry, options))
  const { id, checkedAt } = await shareSession(a, b)
  const heard = hearEnds(b)
  await until('the replica in step', async () => (await replica.cli('keys', '*')).includes(id))
  master.pause()
  await until('the doubt', () => !claims(b, checkedAt))
  await until('the failover', () => a.readSession(id).catch(() => undefined), 60_000)
  await isHearing(b)
  assert.ok(b.hearing.since > checkedAt)
  await until('the end', () => a.deleteSession(id, 'logout').catch(() => undefined))
  await until('the news', () => heard.has(id), 1_000)
  master.resume()
})
