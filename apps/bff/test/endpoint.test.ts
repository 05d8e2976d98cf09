import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Group } from '@audience-bridge/bff/upstreams/group.ts'
import { RetryBudget } from '@audience-bridge/bff/upstreams/retry-budget.ts'
import type { GroupRules } from '@audience-bridge/bff/upstreams/rules.ts'

const [A, B] = [new URL('http://a:1'), new URL('http://b:1')]
const RULES: GroupRules = {
  breaker: { failures: 2, openMs: 60_000, statuses: new Set([503]) },
  slots: undefined,
  retries: undefined,
  health: { path: '/', intervalMs: 1_000, timeoutMs: 1_000, unhealthyAfter: 1, healthyAfter: 1 },
  slowStartMs: 10_000,
}

/** How many of so many requests, none of which ends, each upstream gets. */
function sharesOf(group: Group, count: number, now: number): number[] {
  const turns = Array.from({ length: count }, () => group.take(now))
  const shares = group.endpoints.map(
    (endpoint) => turns.filter((turn) => turn?.endpoint === endpoint).length,
  )
  for (const turn of turns) turn?.leave()
  return shares
}

test('an upstream that is back gets a tenth, then more, then its share', () => {
  const group = new Group('s', [A, B], RULES)
  const [a] = group.endpoints
  assert.deepEqual(sharesOf(group, 22, 0), [11, 11])
  a?.checked('away', 0, RULES)
  assert.deepEqual(sharesOf(group, 22, 0), [0, 22])
  a?.checked(undefined, 1_000, RULES)
  assert.deepEqual(sharesOf(group, 22, 1_001), [2, 20])
  const [half = 0] = sharesOf(group, 30, 6_000)
  assert.ok(half >= 9 && half <= 11, `${half} of 30`)
  assert.deepEqual(sharesOf(group, 22, 11_000), [11, 11])
})

test('those that were under way when an upstream was suspended say nothing of it afterwards', () => {
  const group = new Group('s', [A], RULES)
  const [a] = group.endpoints
  const now = performance.now()
  const turns = [0, 1, 2, 3].map(() => group.take(now))
  turns[0]?.failed('refused')
  assert.ok(group.take(now), 'one failure is not enough')
  turns[1]?.heard(503)
  assert.equal(group.take(now), undefined)
  assert.equal(a?.breaks, 1)
  turns[2]?.failed('refused')
  turns[3]?.heard(200)
  assert.equal(a?.breaks, 1, 'one outage is one suspension')
  assert.equal(group.take(now), undefined, 'an answer of before ended the suspension')
})

test('a probe that nobody hears of is followed by another one, and by one alone', () => {
  const group = new Group('s', [A], RULES)
  const now = performance.now()
  for (const _ of [0, 1]) group.take(now)?.failed('refused')
  const later = now + 61_000
  const probe = group.take(later)
  assert.ok(probe)
  assert.equal(group.take(later), undefined)
  // Its browser went away.
  probe.leave()
  probe.leave()
  const next = group.take(later)
  assert.ok(next)
  assert.equal(group.take(later), undefined)
  next.heard(200)
  assert.ok(group.take(later))
})

test('the budget of retries follows the requests of the last ten seconds', () => {
  const budget = new RetryBudget()
  const rules = { attempts: 1, ratio: 0.2, minimum: 1 }
  const taken = (now: number) => {
    let count = 0
    while (budget.take(rules, now)) count++
    return count
  }
  assert.equal(taken(0), 1)
  for (let i = 0; i < 100; i++) budget.note(1)
  assert.equal(taken(2), 19)
  assert.equal(taken(10_001), 20, 'those of just before count')
  assert.equal(taken(50_000), 1, 'those of long ago do not')
})
