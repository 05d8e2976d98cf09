import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createLog } from '@audience-bridge/kit/log.ts'
import { temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'
import type { SessionStore } from '../src/session/store.ts'
import { openSqliteStore } from '../src/session/store-sqlite.ts'
import { storeKeysFrom } from '../src/session/ticket.ts'
import { KeyRing } from '../src/tokens/key-ring.ts'
import { AHEAD_SECONDS } from '../src/tokens/key-schedule.ts'

const DAY = 86_400
const FIRST = 'the first key of the store, 32 characters'
const SECOND = 'the second key of the store, 32 characters'

function setUp(t: TestContext) {
  const path = join(temporaryDirectory(t), 'sessions.sqlite')
  const store = openSqliteStore(path, createLog('test', 'silent'))
  t.after(() => store.close())
  const time = { now: 1_800_000_000 }
  const node = (secrets: readonly [string, ...string[]] = [FIRST], its: SessionStore = store) =>
    new KeyRing({
      name: 'client',
      store: its,
      storeKeys: storeKeysFrom(secrets),
      rules: () => ({ rotateAfterSeconds: 30 * DAY, retireAfterSeconds: 60 * DAY }),
      aliveSeconds: 600,
      clock: () => time.now,
      log: createLog('test', 'silent'),
    })
  return { path, store, time, node }
}

const kidsOf = async (ring: KeyRing) => (await ring.published()).map(({ kid }) => kid)
const signerOf = async (ring: KeyRing) => (await ring.signer()).kid

test('nodes that start at once agree on one key, and sign with it at once', async (t) => {
  const { node } = setUp(t)
  const nodes = Array.from({ length: 8 }, () => node())
  const kids = await Promise.all(nodes.map(signerOf))
  assert.equal(new Set(kids).size, 1)
  assert.deepEqual(
    await Promise.all(nodes.map(kidsOf)),
    nodes.map(() => [kids[0]]),
  )
})

test('a ring is rotated by age, and two keys overlap', async (t) => {
  const { node, time } = setUp(t)
  const [a, b] = [node(), node()]
  const first = await signerOf(a)
  assert.equal(await signerOf(b), first)

  time.now += 30 * DAY
  await Promise.all([a.read(), b.read()])
  const published = await kidsOf(a)
  assert.equal(published.length, 2)
  assert.deepEqual(await kidsOf(b), published)
  // Published first: whoever keeps our keys has read the new one before it is used.
  assert.deepEqual([await signerOf(a), await signerOf(b)], [first, first])
  time.now += AHEAD_SECONDS - 1
  assert.equal(await signerOf(a), first)
  time.now += 1
  const second = published[1]
  assert.deepEqual([await signerOf(a), await signerOf(b)], [second, second])
  assert.deepEqual(
    (await a.report()).map(({ state }) => state),
    ['retired', 'signing'],
  )
  // What the old one signed a moment ago is still good.
  assert.deepEqual(await kidsOf(a), published)

  time.now += 30 * DAY - AHEAD_SECONDS
  await a.read()
  assert.ok(!(await kidsOf(a)).includes(first), 'a key of 60 days is gone')
  assert.ok((await kidsOf(a)).includes(second ?? ''))
})

test('a rotation by hand waits for its time, is done once, and keeps at most three keys', async (t) => {
  const { node, time } = setUp(t)
  const [a, b] = [node(), node()]
  const first = await signerOf(a)
  const [once] = await Promise.all([
    a.rotate({ compromised: false }),
    b.rotate({ compromised: false }),
  ])
  assert.deepEqual(
    once?.map(({ state }) => state),
    ['signing', 'pending'],
  )
  await b.read()
  assert.equal((await kidsOf(b)).length, 2)
  assert.equal(await signerOf(b), first)
  for (let i = 0; i < 5; i++) {
    time.now += 2 * AHEAD_SECONDS
    await a.rotate({ compromised: false })
    await a.read()
    assert.ok((await kidsOf(a)).length <= 3)
  }
})

test('a key that a thief has is gone at once, and the new one signs at once', async (t) => {
  const { node } = setUp(t)
  const [a, b] = [node(), node()]
  const stolen = await signerOf(a)
  assert.equal(await signerOf(b), stolen)
  await a.rotate({ compromised: true })
  const fresh = await signerOf(a)
  assert.notEqual(fresh, stolen)
  assert.deepEqual(await kidsOf(a), [fresh])
  assert.equal(await a.find(stolen), undefined)
  // Another node meets the new key before it has read the ring again.
  assert.equal((await b.find(fresh))?.kid, fresh)
  assert.equal(await signerOf(b), fresh)
})

test('a store that is away', async (t) => {
  const { node, store } = setUp(t)
  let away = true
  const failing = new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return async (...args: unknown[]) => {
        if (away) throw new Error('away')
        return method.apply(target, args)
      }
    },
  })
  const ring = node([FIRST], failing)
  await t.test('leaves nothing to sign with at the start', async () => {
    await assert.rejects(ring.signer(), /away/)
    await assert.rejects(ring.published(), /away/)
    assert.equal(ring.isRead, false)
  })
  await t.test('does not stop a ring that was read', async () => {
    away = false
    const kid = await signerOf(ring)
    away = true
    await assert.rejects(ring.read(), /away/)
    assert.equal(await signerOf(ring), kid)
    assert.deepEqual(await kidsOf(ring), [kid])
    assert.equal((await ring.report()).length, 1)
  })
})

test('the keys are sealed under the key of the store', async (t) => {
  const { path, store, node } = setUp(t)
  const kid = await signerOf(node())
  await t.test('a thief of the store alone reads none of them', async () => {
    assert.ok((await store.readDocument('keys/client')) !== undefined)
    const stored = readFileSync(path, 'latin1') + readFileSync(`${path}-wal`, 'latin1')
    for (const word of ['"d"', '"kty"', kid]) assert.ok(!stored.includes(word), word)
  })
  await t.test('a node with another key throws nothing away', async () => {
    await assert.rejects(node([SECOND]).signer(), /another store\.key.*further_keys/)
    assert.equal(await signerOf(node()), kid)
  })
  await t.test('they follow a change of the key, and then need the old one no more', async () => {
    assert.equal(await signerOf(node([SECOND, FIRST])), kid)
    assert.equal(await signerOf(node([SECOND])), kid)
    await assert.rejects(node([FIRST]).signer(), /another store\.key/)
  })
  await t.test('an administrator can give up keys that nobody can open', async () => {
    const ring = node([FIRST])
    await ring.rotate({ compromised: true })
    assert.notEqual(await signerOf(ring), kid)
  })
  await t.test('a document of another ring does not pass for this one', async () => {
    const other = await store.readDocument('keys/client')
    await store.replaceDocument('keys/dpop', other?.sealed ?? new Uint8Array(), 0)
    const dpop = new KeyRing({
      ...{ name: 'dpop', store, storeKeys: storeKeysFrom([FIRST]), clock: () => 0 },
      rules: () => ({ rotateAfterSeconds: DAY, retireAfterSeconds: 2 * DAY }),
      ...{ aliveSeconds: 600, log: createLog('test', 'silent') },
    })
    await assert.rejects(dpop.signer(), /sealed with another/)
  })
})
