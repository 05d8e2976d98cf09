import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anomalousAccessPatternsResponse } from '@audience-bridge/contracts/analytics.ts'
import type { BridgeEvent } from '@audience-bridge/contracts/event.ts'
import { access } from './make.ts'
import { startWorld, type TokenWish } from './world.ts'

/*
 * A synthetic organisation: 40 people of two roles work for seven weeks, clerks by day and operators
 * by night, each with a machine and two services of their own; three anomalies are planted in the
 * last week.
 */

const HOUR = 3_600_000
const DAY = 24 * HOUR
/** A Monday, 00:00 UTC. */
const START = Date.UTC(2026, 5, 1)
const END = START + 49 * DAY
const world = await startWorld(() => END)

/** A small generator with a seed (mulberry32), so that a failure can be repeated. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const random = randomFrom(20260601)

function everydayWork(): BridgeEvent[] {
  const events: BridgeEvent[] = []
  for (let day = 0; day < 49; day += 1) {
    if (day % 7 >= 5) continue
    for (let person = 0; person < 40; person += 1) {
      const night = person >= 32
      for (let i = 0; i < 5; i += 1) {
        const begin = night ? 22 : 8 + (person % 3)
        const time = START + day * DAY + (begin + random() * 8) * HOUR
        if (time >= END) continue
        events.push(
          access(time, {
            subject: `person-${person}`,
            subject_roles: [night ? 'operator' : 'clerk'],
            service: random() < 0.7 ? 'crud_service' : 'mail_service',
            resource: `pc-${person}`,
          }),
        )
      }
    }
  }
  return events
}

const of = (person: number, role: string, more = {}) => ({
  subject: `person-${person}`,
  subject_roles: [role],
  resource: `pc-${person}`,
  ...more,
})
const LAST_WEEK = START + 42 * DAY

const PLANTED: Record<string, BridgeEvent[]> = {
  night: [0, 1, 2].map((minute) =>
    access(LAST_WEEK + 2 * DAY + 3 * HOUR + minute * 60_000, of(1, 'clerk', { label: 'planted' })),
  ),
  burst: Array.from({ length: 300 }, (_, i) =>
    access(LAST_WEEK + 3 * DAY + 11 * HOUR + i * 10_000, of(2, 'clerk', { label: 'planted' })),
  ),
  service: [0, 1].map((minute) =>
    access(
      LAST_WEEK + 4 * DAY + 19 * HOUR + minute * 60_000,
      of(3, 'clerk', { service: 'vault_service', resource: 'pc-77', label: 'planted' }),
    ),
  ),
}

// Somebody else has used the vault for weeks, so that it is not new to all.
const vaultKeepers = Array.from({ length: 30 }, (_, day) =>
  access(START + day * DAY + 10 * HOUR, of(5, 'clerk', { service: 'vault_service' })),
)

const everything = [...everydayWork(), ...vaultKeepers, ...Object.values(PLANTED).flat()]
for (let i = 0; i < everything.length; i += 4000) {
  const { response } = await world.post(everything.slice(i, i + 4000))
  assert.equal(response.status, 200)
}

async function ask(query: string, wish?: TokenWish) {
  const path = `/api/v1/analytics/anomalous-access-patterns?${query}`
  const { response, body } = await world.get(path, wish)
  assert.equal(response.status, 200, JSON.stringify(body))
  return anomalousAccessPatternsResponse.parse(body)
}

const iso = (ms: number) => new Date(ms).toISOString()
const WEEK = `from=${iso(LAST_WEEK)}&to=${iso(END)}`

test('planted anomalies rank at the top', async () => {
  const { patterns, evaluated_events } = await ask(WEEK)
  assert.ok(evaluated_events > 1000)
  assert.deepEqual(
    new Set(patterns.slice(0, 3).map(({ subject }) => subject)),
    new Set(['person-1', 'person-2', 'person-3']),
  )
  assert.ok(patterns.length < 15, `${patterns.length} patterns in a quiet week`)
})

test('a pattern says why', async (t) => {
  const { patterns } = await ask(WEEK)
  const cases: [string, string, RegExp][] = [
    [
      'person-1',
      'unusual_hour',
      /^at 03:00 on Wednesday \(UTC\); 0 of \d+ earlier accesses fell in that hour/,
    ],
    ['person-1', 'unusual_hour_for_role', /^unusual for the role clerk too: 0 of \d+ earlier/],
    ['person-2', 'high_volume', /^30\d accesses within the hour; the mean of \d+ earlier hours/],
    ['person-3', 'unusual_service', /^vault_service was never used before in \d+ earlier hours/],
    ['person-3', 'new_resource', /^first use of pc-77; 1 of \d+ earlier hours/],
  ]
  for (const [subject, feature, says] of cases) {
    await t.test(`${subject}: ${feature}`, () => {
      const pattern = patterns.find((one) => one.subject === subject)
      const reason = pattern?.reasons.find((one) => one.feature === feature)
      assert.match(reason?.text ?? '', says)
      const weights = pattern?.reasons.reduce((sum, { weight }) => sum + weight, 0) ?? 0
      assert.ok(weights > 0.9 && weights < 1.01, `weights sum to ${weights}`)
    })
  }
})

test('nights are usual for who works at night', async () => {
  const { patterns } = await ask(`${WEEK}&subject=person-35`)
  assert.deepEqual(patterns, [])
})

test('accesses of one subject and service in a row are one pattern', async () => {
  const { patterns } = await ask(`${WEEK}&subject=person-1`)
  assert.equal(patterns.length, 1)
  const [pattern] = patterns
  assert.deepEqual(
    [pattern?.events, pattern?.first_at, pattern?.last_at],
    [3, iso(LAST_WEEK + 2 * DAY + 3 * HOUR), iso(LAST_WEEK + 2 * DAY + 3 * HOUR + 120_000)],
  )
})

test('a score depends on nothing of the query', async (t) => {
  const alone = (await ask(`${WEEK}&subject=person-1`)).patterns[0]
  const windows: [string, string][] = [
    ['a longer window', `from=${iso(LAST_WEEK - 10 * DAY)}&to=${iso(END)}`],
    [
      'a window that begins inside its hour',
      `from=${iso(LAST_WEEK + 2 * DAY + 3 * HOUR + 30_000)}&to=${iso(END)}`,
    ],
    [
      'a window that ends right after it',
      `from=${iso(LAST_WEEK)}&to=${iso(LAST_WEEK + 2 * DAY + 4 * HOUR)}`,
    ],
    ['all services and subjects', WEEK],
  ]
  for (const [name, query] of windows) {
    await t.test(name, async () => {
      const { patterns } = await ask(query)
      const pattern = patterns.find(({ subject }) => subject === 'person-1')
      assert.deepEqual([pattern?.score, pattern?.reasons], [alone?.score, alone?.reasons])
    })
  }
})

test('who is no reader sees the own patterns, the same score, and nothing of others', async () => {
  const own = await ask(WEEK, { sub: 'person-1', roles: ['clerk'] })
  assert.equal(own.view, 'own')
  assert.deepEqual(
    own.patterns.map(({ subject }) => subject),
    ['person-1'],
  )
  const [seenByReader] = (await ask(`${WEEK}&subject=person-1`)).patterns
  assert.equal(own.patterns[0]?.score, seenByReader?.score)
  assert.ok(!JSON.stringify(own.patterns).includes('role clerk'))
})

test('later events never change an earlier score', async (t) => {
  const before = await ask(`${WEEK}&min_score=0.5&limit=1000`)
  const later: BridgeEvent[] = []
  // From the end on, everybody suddenly works at night, in the vault, on each other's machines.
  for (let hour = 0; hour < 23; hour += 1) {
    for (let person = 0; person < 40; person += 1) {
      later.push(
        access(
          END + hour * HOUR + person,
          of(person, 'clerk', { service: 'vault_service', resource: `pc-${(person + 1) % 40}` }),
        ),
      )
    }
  }
  const { body } = await world.post(later)
  assert.equal((body as { accepted: number }).accepted, later.length)

  await t.test('in the same window', async () => {
    assert.deepEqual(await ask(`${WEEK}&min_score=0.5&limit=1000`), before)
  })
  await t.test('in a window that holds the later events too', async () => {
    const { patterns } = await ask(
      `from=${iso(LAST_WEEK)}&to=${iso(END + DAY)}&min_score=0.5&limit=1000`,
    )
    // A pattern at the very end may go on; the others are what they were.
    const closed = (list: typeof patterns) =>
      list
        .filter(({ last_at }) => Date.parse(last_at) < END - HOUR)
        .map(({ id, score, reasons }) => ({ id, score, reasons }))
    assert.deepEqual(closed(patterns), closed(before.patterns))
  })
  await t.test('but an event that came before and arrives late does', async () => {
    const late = Array.from({ length: 40 }, (_, day) =>
      access(START + day * DAY + 3 * HOUR, of(1, 'clerk')),
    )
    await world.post(late)
    const [pattern] = (await ask(`${WEEK}&subject=person-1&min_score=0`)).patterns
    const was = before.patterns.find(({ subject }) => subject === 'person-1')
    assert.ok((pattern?.score ?? 1) < (was?.score ?? 0), 'the habit cache is stale')
  })
})
