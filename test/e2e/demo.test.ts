import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createStory } from '@audience-bridge/demo/anomalies.ts'
import { createOrganisation } from '@audience-bridge/demo/organisation.ts'
import { startSystem } from '@audience-bridge/testkit/system.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { anomalies, authorization, workflows } from './analytics-api.ts'

const HISTORY_MS = 180_000

test('the demo', { timeout: 2 * HISTORY_MS }, async (t) => {
  const began = performance.now()
  const system = await startSystem(t, { demo: true })
  const complete = () => system.output().includes('Sample history: complete.')
  await until('the sample history', complete, HISTORY_MS)
  t.diagnostic(`the history was in after ${((performance.now() - began) / 1000).toFixed(1)} s`)
  const admin = await system.signedIn('admin')
  const member = await system.signedIn('member')
  const session = await member.session()
  assert.ok(session.authenticated)
  const me = session.user.sub

  await t.test('tells how far the sample history is', () => {
    const shown = [...system.output().matchAll(/Sample history: (\d+) %/g)].map(([, n]) =>
      Number(n),
    )
    assert.ok(shown.length > 10, `${shown}`)
    assert.deepEqual(
      shown,
      [...shown].sort((a, b) => a - b),
    )
  })

  await t.test('fills all three answers', async () => {
    const runs = await workflows(admin)
    assert.ok(runs.totals.runs > 100)
    assert.ok(runs.series.length > 1)
    assert.ok(runs.workflows.some(({ failing_steps }) => failing_steps.length > 0))
    const decisions = await authorization(admin)
    assert.ok(decisions.totals.allow > 100)
    assert.ok(decisions.totals.deny > 0)
    assert.equal((await anomalies(admin)).view, 'all')
  })

  await t.test('plants anomalies that are found near the top', async (t) => {
    const json = (...path: string[]) => JSON.parse(readFileSync(join(system.data, ...path), 'utf8'))
    const organisation = createOrganisation(1, json('secrets', 'demo-users.json'))
    const story = createStory(organisation, json('demo', 'state.json').anchorDay)
    const { patterns } = await anomalies(admin)
    const ranks = story.anomalies.map(({ label, person, events }) => {
      const from = events[0]?.time ?? ''
      const to = events.at(-1)?.time ?? ''
      const rank = patterns.findIndex(
        ({ subject, first_at, last_at }) =>
          subject === person.sub && first_at <= to && last_at >= from,
      )
      return { label, rank }
    })
    t.diagnostic(JSON.stringify(ranks))
    const near = ranks.filter(({ rank }) => rank >= 0 && rank < 2 * ranks.length)
    assert.ok(near.length >= ranks.length - 2, JSON.stringify(ranks))
    for (const { reasons } of patterns) assert.ok(reasons[0]?.text)
  })

  await t.test('shows a member the own rows alone, in all three', async () => {
    const past = {
      from: new Date(Date.now() - 30 * 86_400_000).toISOString(),
      to: new Date(Date.now() - 60_000).toISOString(),
    }
    const runs = await workflows(member, past)
    assert.equal(runs.view, 'own')
    assert.deepEqual(runs.totals, (await workflows(admin, { ...past, subject: me })).totals)
    assert.ok(runs.totals.runs < (await workflows(admin, past)).totals.runs)

    const decisions = await authorization(member, past)
    assert.equal(decisions.view, 'own')
    assert.deepEqual(
      decisions.totals,
      (await authorization(admin, { ...past, subject: me })).totals,
    )
    assert.ok(decisions.totals.decisions > 0)
    for (const { subject } of decisions.top_denials) assert.equal(subject, me)

    const patterns = await anomalies(member, { ...past, min_score: '0' })
    assert.equal(patterns.view, 'own')
    assert.ok(patterns.evaluated_events > 0)
    for (const { subject } of patterns.patterns) assert.equal(subject, me)

    const other = await authorization(member, { ...past, subject: 'demo-0001' })
    assert.equal(other.totals.decisions, 0)
  })

  await t.test('goes on by itself: its users work while one looks', async () => {
    const now = async () => (await authorization(admin)).totals.decisions
    const before = await now()
    await until('another decision', async () => (await now()) > before, 30_000)
  })
})
