import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freezeTime } from '@audience-bridge/testkit/time.ts'
import fc from 'fast-check'
import { CONFIGS, SERVICES, type Service } from './interleaving-configs.ts'
import { buildWorld, type World } from './interleaving-world.ts'

/*
 * Whatever happens in whatever order, no backend ever sees a token of another audience, session, user
 * or scope, nor one that has expired; and whoever has a session that the model knows to be good is
 * served. Real BFF, real IdP, real backends; the calendar is moved by the test.
 */

type Step =
  | { do: 'sign in'; browser: number }
  | { do: 'at once'; things: Thing[] }
  | { do: 'wait'; seconds: number }
  | { do: 'revoke'; browser: number }
  | { do: 'restart' }
  | { do: 'idp'; state: 'up' | 'down' }
  | { do: 'permit'; allowed: boolean }

type Thing =
  | { do: 'call'; browser: number; service: Service }
  | { do: 'sign out'; browser: number }
  | { do: 'configure'; index: number }

const browser = fc.nat({ max: 2 })
const call = fc.record({
  do: fc.constant('call' as const),
  browser,
  service: fc.constantFrom(...SERVICES),
})
const thing: fc.Arbitrary<Thing> = fc.oneof(
  { weight: 12, arbitrary: call },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sign out' as const), browser }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('configure' as const),
      index: fc.nat({ max: CONFIGS.length - 1 }),
    }),
  },
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('sign in' as const), browser }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('at once' as const),
      things: fc.array(thing, { minLength: 1, maxLength: 10 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      // Around every limit: the margin of a token, its life, the session's idle limit.
      seconds: fc.constantFrom(1, 60, 300, 585, 589, 590, 595, 599, 600, 601, 700, 1799, 1801),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revoke' as const), browser }) },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('idp' as const),
      state: fc.constantFrom('up' as const, 'down' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('permit' as const), allowed: fc.boolean() }),
  },
)

const SEED = Number(process.env.FAST_CHECK_SEED ?? Date.now() % 1_000_000_000)

test('any interleaving of sessions, services, configurations and expiries', async (t) => {
  t.diagnostic(`FAST_CHECK_SEED=${SEED}`)
  const time = freezeTime(t)
  const world = await buildWorld(t, time)
  let runs = 0
  let calls = 0
  const take = async (one: Step): Promise<void> => {
    switch (one.do) {
      case 'sign in':
        return world.signIn(one.browser)
      case 'wait':
        return time.pass(one.seconds)
      case 'revoke':
        return world.revoke(one.browser)
      case 'restart':
        return world.restart()
      case 'idp':
        return world.idp(one.state)
      case 'permit':
        return world.permit(one.allowed)
      case 'at once':
        calls += one.things.length
        await Promise.all(one.things.map((each) => begin(world, each, one.things.length > 1)))
        return world.settle()
    }
  }
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 30 }), async (steps) => {
      runs++
      world.violations.length = 0
      await world.reset()
      for (const one of steps) {
        await take(one)
        assert.deepEqual(world.violations, [])
      }
    }),
    { seed: SEED, numRuns: 400, interruptAfterTimeLimit: 15_000, endOnFailure: true },
  )
  t.diagnostic(`${runs} runs, ${calls} things at once`)
  assert.ok(runs > 1 && calls > 20, 'the property was tried')
})

function begin(world: World, thing: Thing, loose: boolean): Promise<void> {
  switch (thing.do) {
    case 'call':
      return world.call(thing.browser, thing.service, loose)
    case 'sign out':
      return world.signOut(thing.browser)
    case 'configure':
      return Promise.resolve(world.configure(thing.index))
  }
}
