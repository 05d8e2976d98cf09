import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import type { SessionStore } from '@audience-bridge/bff/session/store.ts'
import { openSqliteStore } from '@audience-bridge/bff/session/store-sqlite.ts'
import { Leases } from '@audience-bridge/bff/tokens/lease.ts'
import { temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'
import { captureLog } from '@audience-bridge/testkit/log.ts'
import { startRedis } from '@audience-bridge/testkit/redis.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { openRedis } from './redis-store.ts'

const redis = await startRedis({ after })

/** Two processes that share one store, and a session in it. */
async function twoNodes(t: TestContext, open: () => SessionStore) {
  const stores = [open(), open()] as const
  const leases = stores.map((store) => new Leases(store, () => 20_000))
  t.after(async () => {
    for (const one of leases) await one.close()
    for (const store of stores) await store.close()
  })
  const [a, b] = leases
  assert.ok(a && b)
  const id = randomBytes(32).toString('hex')
  const now = Math.floor(Date.now() / 1000)
  await until('the store', () =>
    stores[1].ping().then(
      () => true,
      () => false,
    ),
  )
  await stores[0].insertSession(id, {
    ...{ sealed: Buffer.from('x'), card: Buffer.from('x'), keys: [] },
    ...{ createdAt: now, seenAt: now, expiresAt: now + 600 },
  })
  return { a, b, id, store: stores[0] }
}

const nothing = async () => undefined
const never = async (): Promise<string> => assert.fail('the work is done twice')

const STORES = [
  [
    'SQLite',
    (t: TestContext) => {
      const path = join(temporaryDirectory(t), 'sessions.sqlite')
      return () => openSqliteStore(path, captureLog([]))
    },
  ],
  ['Redis', () => () => openRedis(redis)],
] as const

for (const [name, prepare] of STORES) {
  test(`${name}: of two nodes one works, and the other finds the work done`, async (t) => {
    const { a, b, id } = await twoNodes(t, prepare(t))
    let done: string | undefined
    const release = Promise.withResolvers<void>()
    const working = a.run(id, 'mint', nothing, async () => {
      await release.promise
      done = 'by a'
      return done
    })
    const looks: (string | undefined)[] = []
    const waiting = b.run(
      id,
      'mint',
      async () => {
        looks.push(done)
        return done
      },
      never,
    )
    await until('b looks', () => looks.length > 0)
    release.resolve()
    assert.deepEqual(await Promise.all([working, waiting]), [
      { kind: 'done', value: 'by a' },
      { kind: 'done', value: 'by a' },
    ])
  })

  test(`${name}: what another node has done before is not done again`, async (t) => {
    const { a, b, id } = await twoNodes(t, prepare(t))
    let done: string | undefined
    await a.run(id, 'mint', nothing, async () => {
      done = 'by a'
    })
    // The lease is free: nobody waits, and the work is done all the same.
    assert.deepEqual(await b.run(id, 'mint', async () => done, never), {
      kind: 'done',
      value: 'by a',
    })
  })

  test(`${name}: a lease lasts as long as the work, however long that takes`, async (t) => {
    // The attack is time: a lease shorter than the work lets two nodes send one refresh token.
    const { a, b, id } = await twoNodes(t, prepare(t))
    const began = performance.now()
    const longer = () => performance.now() - began > 5_600
    let over = false
    const working = a.run(id, 'grant', nothing, async () => {
      await until('the lease to have run out, were it not renewed', longer)
      over = true
    })
    const second = await b.run(id, 'grant', nothing, async () => over)
    assert.deepEqual(second, { kind: 'done', value: true })
    await working
  })

  test(`${name}: a node that failed lets go, one that vanished is waited for`, async (t) => {
    const { a, b, id, store } = await twoNodes(t, prepare(t))
    await assert.rejects(
      a.run(id, 'mint', nothing, async () => {
        throw new Error('the IdP is away')
      }),
      /away/,
    )
    const began = performance.now()
    await b.run(id, 'mint', nothing, async () => 'at once')
    assert.ok(performance.now() - began < 1_000)
    // Held by nobody who lives.
    assert.equal((await store.acquireLease(id, 'mint', 'a dead process', 1_000)).kind, 'held')
    const outcome = await b.run(id, 'mint', nothing, async () => 'after it ran out')
    assert.deepEqual(outcome, { kind: 'done', value: 'after it ran out' })
    assert.ok(performance.now() - began > 900)
  })

  test(`${name}: there is no lease on a session that has ended`, async (t) => {
    const { a, id, store } = await twoNodes(t, prepare(t))
    await store.deleteSession(id, 'logout')
    assert.deepEqual(await a.run(id, 'mint', nothing, never), { kind: 'gone' })
  })

  test(`${name}: a node that stops hands its leases back`, async (t) => {
    const { a, b, id } = await twoNodes(t, prepare(t))
    const stuck = Promise.withResolvers<void>()
    let begun = false
    const working = a.run(id, 'mint', nothing, () => {
      begun = true
      return stuck.promise
    })
    await until('a works', () => begun)
    const held = b.run(id, 'mint', nothing, async () => 'taken over')
    await a.close()
    const began = performance.now()
    assert.deepEqual(await held, { kind: 'done', value: 'taken over' })
    assert.ok(performance.now() - began < 2_000)
    stuck.resolve()
    await working
    assert.deepEqual(await a.run(id, 'mint', nothing, never), { kind: 'busy' })
  })
}
