import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RateLimits } from '../src/proxy/rate-limits.ts'
import { RateSharing } from '../src/proxy/rate-sharing.ts'
import type { RateRule } from '../src/rates.ts'
import type { BucketSpent } from '../src/session/store.ts'

const rule = (over: Partial<RateRule> = {}): RateRule => ({
  ...{ name: 'session x', per: 'session', policy: '' },
  ...{ costMs: 1_000 / 7, depthMs: 7 * (1_000 / 7) },
  ...over,
})
const KEYS = { current: Buffer.alloc(32), all: [Buffer.alloc(32)] }

test('a whole bucket lets its burst through and then refills evenly', () => {
  const limits = new RateLimits()
  const seven = rule()
  const taken = Array.from({ length: 9 }, () => limits.take(seven, 'a', 50) >= 0)
  assert.deepEqual(taken, [true, true, true, true, true, true, true, false, false])
  const wait = -limits.take(seven, 'a', 50)
  assert.ok(Math.abs(wait - 1_000 / 7) < 1, `${wait}`)
  assert.ok(limits.take(seven, 'a', 50 + wait - 1) < 0)
  assert.ok(limits.take(seven, 'a', 50 + wait + 1) >= 0, 'what was refused took nothing')
  assert.ok(limits.take(seven, 'b', 50) >= 0, 'another caller has a bucket of its own')
  assert.ok(limits.take(rule({ name: 'session y' }), 'a', 50) >= 0, 'and another service')
})

test('over a long time no more passes than burst and rate', () => {
  const limits = new RateLimits()
  const ten = rule({ costMs: 100, depthMs: 500 })
  let passed = 0
  for (let now = 0; now < 60_000; now += 7) if (limits.take(ten, 'a', now) >= 0) passed++
  assert.ok(passed <= 5 + 600 && passed >= 600, `${passed}`)
})

test('a look takes nothing', () => {
  const limits = new RateLimits()
  const one = rule({ costMs: 1_000, depthMs: 1_000 })
  for (let i = 0; i < 5; i++) assert.equal(limits.take(one, 'a', 0, 0), 0)
  assert.equal(limits.take(one, 'a', 0), 1_000)
})

test('ever new callers cost bounded memory and do not free the one that goes on', () => {
  const limits = new RateLimits(undefined, 100)
  const one = rule({ costMs: 1e9, depthMs: 1e9 })
  assert.ok(limits.take(one, 'hot', 0) >= 0)
  for (let i = 0; i < 10_000; i++) {
    assert.ok(limits.take(one, `new ${i}`, 0) >= 0)
    if (i % 50 === 0) assert.ok(limits.take(one, 'hot', 0) < 0)
  }
  // Forgotten: what was not used while 200 others came.
  assert.ok(limits.take(one, 'new 0', 0) >= 0)
})

/** A store that is told, and answers when it is let. */
function pausedStore() {
  const rounds: { spent: readonly BucketSpent[]; answer: PromiseWithResolvers<number[]> }[] = []
  const told = Promise.withResolvers<void>()
  return {
    rounds,
    told: told.promise,
    spend(spent: readonly BucketSpent[]) {
      const answer = Promise.withResolvers<number[]>()
      rounds.push({ spent, answer })
      told.resolve()
      return answer.promise
    },
  }
}

test('what comes while others are told is not lost, nor told twice', async () => {
  const store = pausedStore()
  const sharing = new RateSharing(store, KEYS)
  const limits = new RateLimits(sharing.spent)
  const five = rule({ costMs: 60_000, depthMs: 300_000 })
  limits.take(five, 'a', performance.now())
  limits.take(five, 'a', performance.now())
  await store.told
  const [first] = store.rounds
  assert.equal(first?.spent[0]?.spentMs, 120_000)
  assert.match(first?.spent[0]?.name ?? '', /^[0-9a-f]{64}$/)
  limits.take(five, 'a', performance.now())
  // Somebody else has taken one.
  first?.answer.resolve([180_000])
  const closing = sharing.close()
  while (store.rounds.length < 2) await new Promise(setImmediate)
  assert.equal(store.rounds[1]?.spent[0]?.spentMs, 60_000)
  store.rounds[1]?.answer.resolve([240_000])
  await closing
  assert.ok(limits.take(five, 'a', performance.now()) >= 0, 'four of five were taken')
  assert.ok(limits.take(five, 'a', performance.now()) < 0)
})

test('while the store is away each goes on alone, and owes at most a bucket afterwards', async () => {
  let away = true
  const asked: BucketSpent[] = []
  const sharing = new RateSharing(
    {
      async spend(spent) {
        asked.push(...spent)
        if (away) throw new Error('away')
        return spent.map(() => 0)
      },
    },
    KEYS,
  )
  const limits = new RateLimits(sharing.spent)
  const fast = rule({ costMs: 10, depthMs: 100 })
  // As if an hour had passed at full rate.
  const began = performance.now() - 3_600_000
  for (let now = began; now < began + 3_600_000; now += 10) limits.take(fast, 'a', now)
  while (asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
  assert.ok(limits.take(fast, 'a', performance.now() + 1_000) >= 0)
  away = false
  await sharing.close()
  for (const { spentMs } of asked) assert.ok(spentMs <= 1_100, `${spentMs}`)
})
