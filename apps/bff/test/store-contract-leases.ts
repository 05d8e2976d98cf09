import assert from 'node:assert/strict'
import type { SessionStore, StoreNews } from '@audience-bridge/bff/session/store.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { at, bytes, isHearing, newId, type Run, session, text } from './store-contract-world.ts'

async function held(store: SessionStore, id: string, name: string, holder: string, ms = 60_000) {
  const lease = await store.acquireLease(id, name, holder, ms)
  assert.ok(lease.kind === 'held', lease.kind)
  return lease.fence
}

const kindOf = async (store: SessionStore, id: string, name: string, holder: string) =>
  (await store.acquireLease(id, name, holder, 60_000)).kind

/** What is told to `store` from now on. */
function hear(store: SessionStore): StoreNews[] {
  const heard: StoreNews[] = []
  store.watch((news) => heard.push(news))
  return heard
}

/** The handles that hear what `a` does: of a store that is one process's alone, none but itself. */
const watchers = (a: SessionStore, b: SessionStore) =>
  a.hearing.provenAt === Number.POSITIVE_INFINITY ? [a] : [a, b]

/** What processes that share a store know of each other. */
export function leaseContract(run: Run): void {
  run('of many who want a lease, one holds it', async (a, b) => {
    const id = newId()
    await a.insertSession(id, session())
    const kinds = await Promise.all(
      Array.from({ length: 20 }, (_, i) => kindOf(i % 2 ? a : b, id, 'mint:analytics', `${i}`)),
    )
    assert.equal(kinds.filter((kind) => kind === 'held').length, 1)
    assert.equal(kinds.filter((kind) => kind === 'taken').length, 19)
    // Not twice to one holder either: two of its calls would both go on.
    assert.equal(await kindOf(a, id, 'mint:analytics', `${kinds.indexOf('held')}`), 'taken')
    // Another name, another session: other leases.
    assert.equal(await kindOf(a, id, 'mint:crud', 'x'), 'held')
    const other = newId()
    await a.insertSession(other, session())
    assert.equal(await kindOf(b, other, 'mint:analytics', 'x'), 'held')
  })

  run('there is no lease without a session', async (a, b) => {
    const id = newId()
    assert.equal(await kindOf(a, id, 'mint', 'a'), 'gone')
    await a.insertSession(id, session())
    await held(a, id, 'mint', 'a')
    await b.deleteSession(id, 'logout')
    assert.equal(await kindOf(b, id, 'mint', 'b'), 'gone')
    assert.equal(await a.renewLease(id, 'mint', 'a', 60_000), false)
    await a.releaseLease(id, 'mint', 'a')
  })

  run('a lease is renewed and released by its holder alone', async (a, b) => {
    const id = newId()
    await a.insertSession(id, session())
    await held(a, id, 'mint', 'a')
    assert.equal(await b.renewLease(id, 'mint', 'b', 60_000), false)
    await b.releaseLease(id, 'mint', 'b')
    assert.equal(await kindOf(b, id, 'mint', 'b'), 'taken')
    assert.equal(await a.renewLease(id, 'mint', 'a', 60_000), true)
    await a.releaseLease(id, 'mint', 'a')
    assert.equal(await a.renewLease(id, 'mint', 'a', 60_000), false)
    await held(b, id, 'mint', 'b')
    // The one before does not take its successor's away.
    await a.releaseLease(id, 'mint', 'a')
    assert.equal(await kindOf(a, id, 'mint', 'a'), 'taken')
  })

  run('a lease runs out, unless it is renewed', async (a, b) => {
    const id = newId()
    await a.insertSession(id, session())
    await held(a, id, 'short', 'a', 50)
    await held(a, id, 'long', 'a', 50)
    assert.equal(await a.renewLease(id, 'long', 'a', 60_000), true)
    await until('the end', async () => (await kindOf(b, id, 'short', 'b')) === 'held')
    assert.equal(await a.renewLease(id, 'short', 'a', 60_000), false)
    assert.equal(await kindOf(b, id, 'long', 'b'), 'taken')
  })

  run('fences grow from lease to lease', async (a, b) => {
    const id = newId()
    await a.insertSession(id, session())
    const fences: number[] = []
    for (const [i, store] of [a, b, a, b].entries()) {
      fences.push(await held(store, id, `name ${i % 2}`, `${i}`))
      await store.releaseLease(id, `name ${i % 2}`, `${i}`)
    }
    assert.deepEqual(
      fences,
      [...new Set(fences)].sort((x, y) => x - y),
    )
  })

  // The attack: a process that was paused in mid-mint wakes up and overwrites its successor's token.
  run('who has lost the lease to another writes too late', async (a, b) => {
    const id = newId()
    await a.insertSession(id, session())
    const early = await held(a, id, 'mint', 'a', 1)
    const late = await until('the end of the lease', async () => {
      const lease = await b.acquireLease(id, 'mint', 'b', 60_000)
      return lease.kind === 'held' && lease.fence
    })
    assert.equal(await b.writeToken(id, 'analytics', bytes('new'), at(2_000), late), true)
    assert.equal(await a.writeToken(id, 'analytics', bytes('old'), at(2_000), early), false)
    assert.equal(text((await a.readTokens(id)).get('analytics')), 'new')
    // Neither after the successor's token was taken away.
    await b.deleteToken(id, 'analytics')
    assert.equal(await a.writeToken(id, 'analytics', bytes('old'), at(2_000), early), false)
    assert.equal((await a.readTokens(id)).size, 0)
    assert.equal(await b.writeToken(id, 'analytics', bytes('again'), at(2_000), late), true)
    // Another service's token is its own affair.
    assert.equal(await a.writeToken(id, 'crud', bytes('c'), at(2_000), early), true)
    assert.equal(await a.writeToken(newId(), 'crud', bytes('c'), at(2_000), late), false)
  })

  run('the end of a session is told to all who watch, and why', async (a, b) => {
    const watching = watchers(a, b)
    await Promise.all(watching.map(isHearing))
    const heard = watching.map(hear)
    const quiet: StoreNews[] = []
    a.watch((news) => quiet.push(news))()
    const id = newId()
    await a.insertSession(id, session())
    assert.equal(await a.deleteSession(id, 'idle', at(0)), false)
    const began = performance.now()
    await a.deleteSession(id, 'logout')
    await a.deleteSession(id, 'admin')
    await until('the news', () => heard.every((news) => news.length > 0))
    assert.ok(performance.now() - began < 1_000)
    // What is told later has come after whatever else would have been told.
    const last = newId()
    await a.insertSession(last, session())
    await a.deleteSession(last, 'idle', at(1_000))
    await until('the last', () => heard.every((news) => news.some((one) => one.id === last)))
    for (const news of heard) {
      assert.deepEqual(news, [
        { kind: 'ended', id, reason: 'logout' },
        { kind: 'ended', id: last, reason: 'idle' },
      ])
    }
    assert.deepEqual(quiet, [], 'whoever has stopped watching is not told')
  })

  run('another record is told', async (a, b) => {
    const watching = watchers(a, b)
    await Promise.all(watching.map(isHearing))
    const heard = watching.map(hear)
    const [renewed, last] = [newId(), newId()]
    for (const id of [renewed, last]) await a.insertSession(id, session())
    await a.replaceSession(renewed, bytes('stale'), 7)
    await a.touchSession(last, at(2_000))
    await a.replaceSession(renewed, bytes('second'), 1, bytes('card'))
    await a.deleteSession(last, 'logout')
    await until('the last', () => heard.every((news) => news.length === 2))
    // In any order: in a cluster they come from several servers.
    const told = ({ kind, id }: StoreNews) => `${kind} ${id}`
    for (const news of heard) {
      assert.deepEqual(news.map(told).sort(), [`changed ${renewed}`, `ended ${last}`].sort())
    }
  })

  run('a lease that is given back is told', async (a, b) => {
    const watching = watchers(a, b)
    await Promise.all(watching.map(isHearing))
    const heard = watching.map(hear)
    const id = newId()
    await a.insertSession(id, session())
    await held(a, id, 'mint:analytics', 'a')
    await a.releaseLease(id, 'mint:analytics', 'b')
    await a.releaseLease(id, 'mint:analytics', 'a')
    await until('the news', () => heard.every((news) => news.length > 0), 1_000)
    for (const news of heard) {
      assert.deepEqual(news, [{ kind: 'released', id, name: 'mint:analytics' }])
    }
  })
}
