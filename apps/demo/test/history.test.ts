import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { type BridgeEvent, bridgeEvent } from '@audience-bridge/contracts/event.ts'
import { createStory } from '../src/anomalies.ts'
import { isWeekday } from '../src/day.ts'
import { DAY_MS } from '../src/event-writer.ts'
import { dayOf, HISTORY_DAYS, history, type Stretch } from '../src/history.ts'
import { createOrganisation, type DemoUser, type Organisation } from '../src/organisation.ts'

const users: DemoUser[] = [
  { username: 'ada', password: 'x', roles: ['admin'], sub: 'user-ada', name: 'Ada' },
  { username: 'ben', password: 'x', roles: ['member'], sub: 'user-ben', name: 'Ben' },
]
const now = Date.UTC(2026, 7, 19, 15, 30)
const whole: Stretch = {
  anchorDay: dayOf(now),
  fromMs: now - HISTORY_DAYS * DAY_MS,
  untilMs: now,
}

function* events(organisation: Organisation, stretch: Stretch): Generator<BridgeEvent> {
  for (const day of history(organisation, stretch)) yield* day.events
}

function digest(organisation: Organisation, stretch: Stretch): string {
  const hash = createHash('sha256')
  for (const event of events(organisation, stretch)) hash.update(JSON.stringify(event))
  return hash.digest('hex')
}

test('the organisation is a few hundred people who are visibly nobody', () => {
  const { people } = createOrganisation(1, users)
  const synthetic = people.filter(({ sub }) => sub.startsWith('demo-'))
  assert.equal(synthetic.length, 300)
  assert.equal(people.length, 302)
  assert.equal(new Set(people.map(({ sub }) => sub)).size, people.length)
  for (const { sub, name, email } of synthetic) {
    assert.match(sub, /^demo-\d{4}$/)
    assert.match(name, /^Synthetic /)
    assert.match(email, /@example\.com$/)
  }
  const ada = people.find(({ sub }) => sub === 'user-ada')
  assert.deepEqual(ada?.roles, ['admin'])
})

test('60 days: every event is valid, has an id of its own, and lies in the stretch', () => {
  const ids = new Set<string>()
  const types = new Map<string, number>()
  const labels = new Map<string, number>()
  const subjects = new Set<string>()
  for (const event of events(createOrganisation(1, users), whole)) {
    const parsed = bridgeEvent.safeParse(event)
    assert.ok(parsed.success, String(parsed.error))
    const time = Date.parse(event.time)
    assert.ok(time > whole.fromMs && time <= whole.untilMs)
    ids.add(event.id)
    subjects.add(event.data.subject ?? '')
    types.set(event.type, (types.get(event.type) ?? 0) + 1)
    const { label } = event.data
    if (label !== undefined) labels.set(label, (labels.get(label) ?? 0) + 1)
  }
  const total = [...types.values()].reduce((sum, count) => sum + count)
  assert.equal(ids.size, total)
  assert.ok(total >= 120_000 && total <= 180_000, `${total} events`)
  assert.deepEqual([...types.keys()].sort(), [
    'ai.empowernow.access',
    'ai.empowernow.authz.decision',
    'ai.empowernow.workflow',
  ])
  assert.ok(subjects.size > 295, 'nearly everybody did something')
  assert.ok(subjects.has('user-ada') && subjects.has('user-ben'))
  assert.deepEqual([...labels.keys()].sort(), [
    'borrowed-workstation',
    'denial-burst',
    'dormant-return',
    'foreign-pattern',
    'mass-reading',
    'night-access',
    'refund-spree',
    'weekend-export',
  ])
  for (const [label, count] of labels) assert.ok(count >= 10, `${label}: ${count}`)
})

test('the planted anomalies are what their labels say', () => {
  const organisation = createOrganisation(1, users)
  const byLabel = Map.groupBy(events(organisation, whole), ({ data }) => data.label)
  const planted = (label: string) => byLabel.get(label) ?? []

  for (const [label, list] of byLabel) {
    if (label === undefined) continue
    const people = new Set(list.map(({ data }) => data.subject))
    assert.equal(people.size, 1, `${label} is one person's`)
    assert.ok(
      list.every(({ time }) => Date.parse(time) > now - 7 * DAY_MS),
      `${label} is recent`,
    )
  }
  const hour = ({ time }: BridgeEvent) => new Date(time).getUTCHours()
  assert.ok(planted('night-access').every((event) => hour(event) >= 2 && hour(event) <= 3))
  assert.ok(planted('weekend-export').every(({ time }) => !isWeekday(dayOf(Date.parse(time)))))
  assert.ok(planted('mass-reading').every(({ data }) => data.service === 'hr_service'))
  const denials = planted('denial-burst').filter(
    ({ data }) => 'decision' in data && data.decision === 'Deny',
  )
  assert.equal(denials.length, 45)

  const own = (label: string) => {
    const subject = planted(label)[0]?.data.subject
    return [...(byLabel.get(undefined) ?? [])].filter(({ data }) => data.subject === subject)
  }
  assert.ok(
    own('mass-reading').every(({ data }) => data.service !== 'hr_service'),
    'the mass reader never used the service before',
  )
  assert.ok(
    own('dormant-return').every(({ time }) => Date.parse(time) < now - 30 * DAY_MS),
    'who returns was away for a month',
  )
})

test('whatever weekday the demo starts on, the anomalies are in the week before it', () => {
  const organisation = createOrganisation(1, users)
  for (let anchorDay = dayOf(now); anchorDay < dayOf(now) + 7; anchorDay++) {
    const { anomalies } = createStory(organisation, anchorDay)
    assert.equal(anomalies.length, 8)
    for (const { label, events } of anomalies) {
      for (const { time } of events) {
        const day = dayOf(Date.parse(time))
        assert.ok(day >= anchorDay - 6 && day < anchorDay, `${label} on ${time}`)
      }
    }
  }
})

test('the same seed and day make the same events, another seed others', () => {
  const stretch = { ...whole, fromMs: now - 5 * DAY_MS }
  const first = digest(createOrganisation(1, users), stretch)
  assert.equal(digest(createOrganisation(1, users), stretch), first)
  assert.notEqual(digest(createOrganisation(2, users), stretch), first)
})

test('a stretch cut anywhere holds the same events as the whole', () => {
  const organisation = createOrganisation(1, users)
  const stretch = { ...whole, fromMs: now - 4 * DAY_MS }
  const ids = (of: Stretch) => [...events(organisation, of)].map(({ id }) => id)
  const expected = ids(stretch).sort()
  // In the night: a shift that began the day before must not be lost.
  for (const cut of [now - 2 * DAY_MS, Date.UTC(2026, 7, 18, 3), Date.UTC(2026, 7, 18)]) {
    const parts = [...ids({ ...stretch, untilMs: cut }), ...ids({ ...stretch, fromMs: cut })]
    assert.deepEqual(parts.sort(), expected)
  }
})
