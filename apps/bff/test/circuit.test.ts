import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Circuit } from '../src/tokens/circuit.ts'
import { Turnstile } from '../src/tokens/turnstile.ts'

const DOWN = { kind: 'down' } as const
const UP = { kind: 'up' } as const

function setUp(random = 0.5) {
  const time = { now: 0 }
  const circuit = new Circuit(
    () => time.now,
    () => random,
  )
  const fail = (waitMs?: number) => circuit.enter()?.end({ kind: 'down', waitMs })
  return { time, circuit, fail }
}

test('after a failure calls fail at once, until one probe got through', () => {
  const { time, circuit, fail } = setUp()
  fail()
  assert.equal(circuit.enter(), undefined)
  assert.equal(circuit.isUp, false)
  assert.equal(circuit.waitMs, 500)
  time.now = 499
  assert.equal(circuit.enter(), undefined)
  time.now = 500
  const probe = circuit.enter()
  assert.equal(probe?.probe, true)
  // Exactly one, however long it takes.
  time.now = 60_000
  assert.equal(circuit.enter(), undefined)
  probe?.end(UP)
  assert.equal(circuit.isUp, true)
  assert.equal(circuit.enter()?.probe, false)
})

test('the pause doubles from half a second to ten, and begins anew after a success', () => {
  const { time, circuit, fail } = setUp()
  const pauses: number[] = []
  for (let i = 0; i < 7; i++) {
    fail()
    pauses.push(circuit.waitMs)
    time.now += circuit.waitMs
  }
  assert.deepEqual(pauses, [500, 1000, 2000, 4000, 8000, 10_000, 10_000])
  circuit.enter()?.end(UP)
  fail()
  assert.equal(circuit.waitMs, 500)
})

test('the pause is jittered: nodes do not come back in step', () => {
  for (const [random, ms] of [
    [0, 375],
    [1, 625],
  ] as const) {
    const { circuit, fail } = setUp(random)
    fail()
    assert.equal(circuit.waitMs, ms)
  }
})

test('calls that were under way together and fail together are one failure', () => {
  const { time, circuit } = setUp()
  const passes = Array.from({ length: 64 }, () => circuit.enter())
  for (const pass of passes) pass?.end(DOWN)
  assert.equal(circuit.waitMs, 500)
  // Nor do late ones of before speak of a server that is back, or away, since.
  time.now = 500
  const late = circuit.enter()
  late?.end(UP)
  passes[0]?.end(DOWN)
  assert.equal(circuit.isUp, true)
})

test('a call that began before the failure does not end the pause', () => {
  const { circuit, fail } = setUp()
  const before = circuit.enter()
  fail(20_000)
  before?.end(UP)
  assert.equal(circuit.isUp, false)
})

test('a probe that said nothing leaves the way to the next one', () => {
  const { time, circuit, fail } = setUp()
  fail()
  time.now = 500
  circuit.enter()?.end({ kind: 'unsaid' })
  assert.equal(circuit.isUp, false)
  assert.equal(circuit.enter()?.probe, true)
})

test('the server is left alone as long as it asks, but not for hours', () => {
  const { circuit, fail } = setUp()
  fail(7000)
  assert.equal(circuit.waitMs, 7000)
  const other = setUp()
  other.fail(3_600_000)
  assert.equal(other.circuit.waitMs, 60_000)
})

test('a turnstile', async (t) => {
  await t.test('lets so many in, and the others in the order in which they came', async () => {
    const turnstile = new Turnstile(2)
    const order: string[] = []
    const enter = async (name: string) => {
      const leave = await turnstile.enter(undefined)
      order.push(name)
      return leave
    }
    const [a, b] = await Promise.all([enter('a'), enter('b')])
    const waiting = [enter('c'), enter('d')]
    await new Promise(setImmediate)
    assert.deepEqual(order, ['a', 'b'])
    a?.()
    a?.()
    const leaveC = await waiting[0]
    await new Promise(setImmediate)
    assert.deepEqual(order, ['a', 'b', 'c'])
    b?.()
    await waiting[1]
    leaveC?.()
    assert.deepEqual(order, ['a', 'b', 'c', 'd'])
  })
  await t.test('nobody waits beyond their own time', async () => {
    const turnstile = new Turnstile(1)
    const leave = await turnstile.enter(undefined)
    const patience = new AbortController()
    const waiting = turnstile.enter(patience.signal)
    patience.abort(new Error('too late'))
    await assert.rejects(waiting, /too late/)
    leave()
    assert.ok(await turnstile.enter(undefined))
  })
  await t.test('sends away all who wait, not who is inside', async () => {
    const turnstile = new Turnstile(1)
    const leave = await turnstile.enter(undefined)
    const waiting = [turnstile.enter(undefined), turnstile.enter(undefined)]
    turnstile.clear(() => new Error('closed'))
    for (const one of waiting) await assert.rejects(one, /closed/)
    leave()
    assert.ok(await turnstile.enter(undefined))
  })
})
