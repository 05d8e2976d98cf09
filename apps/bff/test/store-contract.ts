import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { until } from '@audience-bridge/testkit/wait.ts'
import { bucketContract } from './store-contract-buckets.ts'
import { leaseContract } from './store-contract-leases.ts'
import { listingContract } from './store-contract-listing.ts'
import {
  at,
  bytes,
  contractRunner,
  isOpen,
  newId,
  type OpenStore,
  session,
  text,
} from './store-contract-world.ts'

/** Who deletes what has expired: whoever calls `deleteExpired`, or the store by its own clock. */
export type Expiry = 'swept' | 'by itself'

/**
 * What every session store must keep to. Two handles stand for two processes.
 *
 * @param prepare makes an empty store for one test.
 */
export function storeContract(
  name: string,
  expiry: Expiry,
  prepare: (t: TestContext) => OpenStore,
): void {
  const run = contractRunner(name, prepare)
  listingContract(run)
  leaseContract(run)
  bucketContract(run)

  run('a session is read as it was inserted, by either handle', async (a, b) => {
    const id = newId()
    assert.equal(await b.readSession(id), undefined)
    const sealed = randomBytes(5_000)
    await a.insertSession(id, session({ sealed }))
    for (const handle of [a, b]) {
      const stored = await handle.readSession(id)
      assert.ok(stored)
      assert.deepEqual(Buffer.from(stored.sealed), sealed)
      const { version, createdAt, seenAt, expiresAt } = stored
      assert.deepEqual(
        { version, createdAt, seenAt, expiresAt },
        {
          version: 1,
          createdAt: at(1_000),
          seenAt: at(1_000),
          expiresAt: at(9_000),
        },
      )
    }
    assert.equal(await a.readSession(newId()), undefined)
  })

  run('one session is listed by its id, as it is at the moment', async (a, b) => {
    const id = newId()
    await a.insertSession(id, session({ card: bytes('card') }))
    await b.replaceSession(id, bytes('next'), 1, bytes('other card'))
    await b.touchSession(id, at(2_000))
    const listed = await a.readListed(id)
    assert.equal(text(listed?.card), 'other card')
    const { createdAt, seenAt, expiresAt } = listed ?? {}
    assert.deepEqual([createdAt, seenAt, expiresAt], [at(1_000), at(2_000), at(9_000)])
    await b.deleteSession(id, 'logout')
    assert.equal(await a.readListed(id), undefined)
    assert.equal(await a.readListed('nothing'), undefined)
  })

  run('an id is given once', async (a, b) => {
    const id = newId()
    await a.insertSession(id, session())
    await assert.rejects(b.insertSession(id, session({ sealed: bytes('other') })))
    assert.equal(text((await a.readSession(id))?.sealed), 'record')
  })

  run('a record is replaced at its version alone', async (a, b) => {
    const id = newId()
    await a.insertSession(id, session())
    assert.equal(await a.replaceSession(id, bytes('second'), 1), true)
    assert.equal(await b.replaceSession(id, bytes('stale'), 1), false)
    assert.equal(await b.replaceSession(id, bytes('early'), 3), false)
    const stored = await b.readSession(id)
    assert.deepEqual([text(stored?.sealed), stored?.version], ['second', 2])
    assert.deepEqual([stored?.createdAt, stored?.expiresAt], [at(1_000), at(9_000)])
    assert.equal(await b.replaceSession(id, bytes('third'), 2), true)
    assert.equal(await a.replaceSession(newId(), bytes('nobody'), 1), false)
  })

  run('of many who replace at once, one succeeds', async (a, b) => {
    const id = newId()
    await a.insertSession(id, session())
    const won = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? a : b).replaceSession(id, bytes(`${i}`), 1)),
    )
    assert.equal(won.filter(Boolean).length, 1)
    assert.equal(text((await a.readSession(id))?.sealed), `${won.indexOf(true)}`)
  })

  run('being seen moves forward only, and leaves the rest', async (a, b) => {
    const id = newId()
    await a.insertSession(id, session())
    await a.touchSession(id, at(2_000))
    await b.touchSession(id, at(1_500))
    const stored = await b.readSession(id)
    assert.deepEqual(
      [stored?.seenAt, stored?.version, text(stored?.sealed)],
      [at(2_000), 1, 'record'],
    )
    // Neither does it make a session that is gone.
    const gone = newId()
    await a.touchSession(gone, at(2_000))
    assert.equal(await a.readSession(gone), undefined)
  })

  run('tokens are kept by session and service', async (a, b) => {
    const [one, other] = [newId(), newId()]
    await a.insertSession(one, session())
    await a.insertSession(other, session())
    await a.writeToken(one, 'analytics', bytes('a1'), at(2_000), 1)
    await b.writeToken(one, 'crud', bytes('c1'), at(2_000), 1)
    await b.writeToken(other, 'analytics', bytes('a2'), at(2_000), 1)
    await b.writeToken(one, 'analytics', bytes('a1 again'), at(3_000), 1)
    const tokens = async (id: string) =>
      [...(await a.readTokens(id))].map(([service, sealed]) => [service, text(sealed)]).sort()
    assert.deepEqual(await tokens(one), [
      ['analytics', 'a1 again'],
      ['crud', 'c1'],
    ])
    await a.deleteToken(one, 'analytics')
    assert.deepEqual(await tokens(one), [['crud', 'c1']])
    assert.deepEqual(await tokens(other), [['analytics', 'a2']])
    assert.deepEqual(await tokens(newId()), [])
    await a.deleteToken(newId(), 'analytics')
  })

  run('a session goes with its tokens, and gets none after its end', async (a, b) => {
    const id = newId()
    await a.insertSession(id, session())
    await a.writeToken(id, 'analytics', bytes('a'), at(2_000), 1)
    await b.deleteSession(id, 'logout')
    assert.equal(await a.readSession(id), undefined)
    assert.deepEqual([...(await a.readTokens(id))], [])
    // The attack: a mint that was under way at the logout leaves a live token behind.
    await a.writeToken(id, 'analytics', bytes('late'), at(2_000), 1)
    assert.deepEqual([...(await b.readTokens(id))], [])
    assert.equal(await a.replaceSession(id, bytes('late'), 1), false)
    await b.deleteSession(id, 'logout')
  })

  run('of many who end a session, one has ended it', async (a, b) => {
    const id = newId()
    await a.insertSession(id, session())
    const ended = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? a : b).deleteSession(id, 'logout')),
    )
    assert.equal(ended.filter(Boolean).length, 1)
    assert.equal(await a.deleteSession(newId(), 'logout'), false)
  })

  run('a session that another node has seen is not idle', async (a, b) => {
    const id = newId()
    await a.insertSession(id, session({ seenAt: at(1_000) }))
    await b.touchSession(id, at(1_001))
    assert.equal(await a.deleteSession(id, 'idle', at(1_000)), false)
    assert.ok(await b.readSession(id))
    assert.equal(await a.deleteSession(id, 'idle', at(1_001)), true)
    assert.equal(await b.readSession(id), undefined)
  })

  run('a login is used exactly once', async (a, b) => {
    const id = newId()
    assert.equal(await a.readLogin(id), undefined)
    await a.insertLogin(id, bytes('login'), at(2_000))
    const before = await b.readLogin(id)
    assert.deepEqual([text(before?.sealed), before?.used], ['login', false])
    const won = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? a : b).useLogin(id)),
    )
    assert.equal(won.filter(Boolean).length, 1)
    const after = await b.readLogin(id)
    assert.deepEqual([text(after?.sealed), after?.used], ['login', true], 'a tombstone is left')
    assert.equal(await a.useLogin(newId()), false)
  })

  run('of many who use a key, one is the first', async (a, b) => {
    const key = newId()
    const first = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? a : b).useOnce(key, at(600))),
    )
    assert.equal(first.filter(Boolean).length, 1)
    assert.equal(await a.useOnce(newId(), at(600)), true)
    const short = newId()
    assert.equal(await a.useOnce(short, Math.floor(Date.now() / 1000) + 1), true)
    assert.equal(await b.useOnce(short, at(600)), false)
    await until('the end', () => b.useOnce(short, at(600)), 5_000)
    assert.equal(await a.useOnce(short, at(600)), false)
  })

  run('a document is replaced at its version alone', async (a, b) => {
    const name = newId()
    assert.equal(await a.readDocument(name), undefined)
    assert.equal(await a.replaceDocument(name, bytes('early'), 1), false)
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? a : b).replaceDocument(name, bytes(`${i}`), 0)),
    )
    assert.equal(made.filter(Boolean).length, 1)
    const first = await b.readDocument(name)
    assert.deepEqual([text(first?.sealed), first?.version], [`${made.indexOf(true)}`, 1])
    assert.equal(await b.replaceDocument(name, bytes('second'), 1), true)
    assert.equal(await a.replaceDocument(name, bytes('stale'), 1), false)
    const second = await a.readDocument(name)
    assert.deepEqual([text(second?.sealed), second?.version], ['second', 2])
  })

  if (expiry === 'swept') {
    run('what has expired is deleted, and nothing else', async (a, b) => {
      const ids = {
        alive: newId(),
        absolute: newId(),
        idle: newId(),
        edge: newId(),
      }
      await a.insertSession(ids.alive, session({ seenAt: at(4_500) }))
      await a.insertSession(ids.absolute, session({ seenAt: at(4_900), expiresAt: at(5_000) }))
      await a.insertSession(ids.idle, session({ seenAt: at(4_000) }))
      await a.insertSession(ids.edge, session({ seenAt: at(4_001), expiresAt: at(5_001) }))
      await a.writeToken(ids.alive, 'old', bytes('x'), at(5_000), 1)
      await a.writeToken(ids.alive, 'new', bytes('x'), at(5_001), 1)
      await a.writeToken(ids.idle, 'new', bytes('x'), at(9_000), 1)
      await a.insertLogin('old-login', bytes('x'), at(5_000))
      await a.insertLogin('new-login', bytes('x'), at(5_001))
      const ended = new Map<string, string>()
      b.watch((news) => news.kind === 'ended' && ended.set(news.id, news.reason))
      const deleted = await b.deleteExpired(at(5_000), 1_000, 100)
      assert.deepEqual(
        ended,
        new Map([
          [ids.absolute, 'absolute'],
          [ids.idle, 'idle'],
        ]),
      )
      assert.ok(deleted >= 4, `${deleted} rows`)
      assert.ok(await a.readSession(ids.alive))
      assert.ok(await a.readSession(ids.edge))
      assert.equal(await a.readSession(ids.absolute), undefined)
      assert.equal(await a.readSession(ids.idle), undefined)
      assert.deepEqual([...(await a.readTokens(ids.alive)).keys()], ['new'])
      assert.deepEqual([...(await a.readTokens(ids.idle))], [])
      assert.equal(await a.readLogin('old-login'), undefined)
      assert.ok(await a.readLogin('new-login'))
      assert.equal(await b.deleteExpired(at(5_000), 1_000, 100), 0)
    })

    run('a sweep is bounded, and the next one goes on', async (a) => {
      for (let i = 0; i < 10; i++) await a.insertSession(newId(), session({ expiresAt: at(2_000) }))
      assert.equal(await a.deleteExpired(at(3_000), 100_000, 4), 4)
      assert.equal(await a.deleteExpired(at(3_000), 100_000, 4), 4)
      assert.equal(await a.deleteExpired(at(3_000), 100_000, 4), 2)
    })
  }

  if (expiry === 'by itself') {
    run('what has expired is gone without a sweep, and nothing else', async (a, b) => {
      const [short, long] = [newId(), newId()]
      const soon = Math.floor(Date.now() / 1000) + 2
      await a.insertSession(short, session({ expiresAt: soon }))
      await a.insertSession(long, session())
      await a.writeToken(short, 'analytics', bytes('x'), soon, 1)
      await a.writeToken(long, 'analytics', bytes('x'), soon, 1)
      await a.insertLogin(short, bytes('x'), soon)
      await a.insertLogin(long, bytes('x'), at(600))
      // Neither a touch nor a new record makes it live longer.
      await a.touchSession(short, at(2_000))
      assert.equal(await a.replaceSession(short, bytes('second'), 1), true)
      assert.ok(await b.readSession(short))
      const gone = async () =>
        (await b.readSession(short)) === undefined &&
        (await b.readLogin(short)) === undefined &&
        (await b.readTokens(long)).size === 0
      await until('the expiry', gone, 5_000)
      assert.equal((await b.readTokens(short)).size, 0)
      assert.ok(await b.readSession(long))
      assert.ok(await b.readLogin(long))
      assert.equal(await b.deleteExpired(at(9_000), 1, 100), 0)
      assert.ok(await b.readSession(long))
    })

    run('tokens stay until the last of them has expired', async (a) => {
      const id = newId()
      await a.insertSession(id, session())
      const soon = Math.floor(Date.now() / 1000) + 1
      await a.writeToken(id, 'long', bytes('x'), at(600), 1)
      await a.writeToken(id, 'short', bytes('x'), soon, 1)
      await until('the expiry', () => Date.now() / 1000 > soon + 0.5)
      assert.ok((await a.readTokens(id)).has('long'))
    })
  }

  run('all is there after reopening', async (_a, _b, open) => {
    const id = newId()
    const first = open()
    await isOpen(first)
    await first.insertSession(id, session())
    await first.replaceSession(id, bytes('second'), 1)
    await first.touchSession(id, at(2_000))
    await first.writeToken(id, 'analytics', bytes('a'), at(2_000), 1)
    await first.insertLogin(id, bytes('login'), at(2_000))
    await first.useLogin(id)
    await first.close()
    const again = open()
    await isOpen(again)
    const stored = await again.readSession(id)
    assert.deepEqual(
      [text(stored?.sealed), stored?.version, stored?.seenAt],
      ['second', 2, at(2_000)],
    )
    assert.equal(text((await again.readTokens(id)).get('analytics')), 'a')
    assert.equal((await again.readLogin(id))?.used, true)
    assert.equal(await again.useLogin(id), false)
    await again.close()
  })

  run('a store that is away throws: it never says that nothing is there', async (_a, _b, open) => {
    const store = open()
    await isOpen(store)
    const id = newId()
    await store.insertSession(id, session())
    await store.ping()
    await store.close()
    await assert.rejects(async () => store.readSession(id))
    await assert.rejects(async () => store.readTokens(id))
    await assert.rejects(async () => store.useLogin(id))
    await assert.rejects(async () => store.useOnce(id, at(600)))
    await assert.rejects(async () => store.acquireLease(id, 'mint', 'a', 1_000))
    await assert.rejects(async () => store.listSessions('all', { limit: 1 }))
    await assert.rejects(async () => store.ping())
  })
}
