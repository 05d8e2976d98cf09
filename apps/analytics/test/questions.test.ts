import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  anomalousAccessPatternsResponse,
  authorizationMetricsResponse,
  workflowsResponse,
} from '@audience-bridge/contracts/analytics.ts'
import { access, decision, workflow } from './make.ts'
import { startWorld, type TokenWish } from './world.ts'

const NOW = Date.UTC(2026, 7, 12, 12)
const world = await startWorld(() => NOW)
const at = (text: string) => `2026-08-${text}Z`

const EVENTS = [
  // Two runs of one workflow, one that fails in a step, one that runs on, one over midnight.
  workflow(at('10T10:00:00'), { workflow_id: 'w1' }),
  workflow(at('10T10:00:05'), { workflow_id: 'w1', status: 'succeeded', duration_ms: 5000 }),
  workflow(at('10T11:00:00'), { workflow_id: 'w2', subject: 'bob' }),
  workflow(at('10T11:00:01'), {
    workflow_id: 'w2',
    step_name: 'create-mailbox',
    status: 'failed',
    error: 'quota',
    subject: 'bob',
  }),
  workflow(at('10T11:00:02'), { workflow_id: 'w2', status: 'failed', subject: 'bob' }),
  workflow(at('11T09:00:00'), { workflow_id: 'w3' }),
  workflow(at('11T23:59:00'), { workflow_id: 'w4', workflow_name: 'nightly' }),
  workflow(at('12T00:01:00'), {
    workflow_id: 'w4',
    workflow_name: 'nightly',
    status: 'succeeded',
    duration_ms: 120_000,
  }),
  // The start of this one was never reported.
  workflow(at('09T00:00:10'), { workflow_id: 'w5', status: 'succeeded', duration_ms: 20_000 }),
  decision(at('10T10:00:00')),
  decision(at('10T10:30:00'), { decision: 'Deny', reason: 'not an owner', subject: 'bob' }),
  decision(at('11T10:30:00'), { decision: 'Deny', reason: 'not an owner', subject: 'bob' }),
  decision(at('11T11:30:00'), { decision: 'NoMapping', resource: 'secret', subject: 'bob' }),
  decision(at('11T12:30:00'), { service: 'analytics_service', latency_ms: 8 }),
  access(at('10T10:00:00')),
  access(at('10T10:00:00'), { subject: 'bob' }),
]

const { body: ingested } = await world.post(EVENTS)
assert.deepEqual(ingested, { accepted: EVENTS.length, duplicates: 0, rejected: [] })

const WINDOW = `from=${at('09T00:00:00')}&to=${at('12T00:00:00')}`

async function ask<T>(
  path: string,
  schema: { parse(value: unknown): T },
  wish?: TokenWish,
): Promise<T> {
  const { response, body } = await world.get(`/api/v1/analytics/${path}`, wish)
  assert.equal(response.status, 200, JSON.stringify(body))
  return schema.parse(body)
}

test('workflows counts runs by how they ended', async (t) => {
  const all = await ask(`workflows?${WINDOW}&interval=day`, workflowsResponse)
  assert.equal(all.view, 'all')
  assert.deepEqual(all.totals, {
    runs: 4,
    succeeded: 2,
    failed: 1,
    running: 1,
    failure_rate: 1 / 3,
    duration_p50_ms: 5000,
    duration_p95_ms: all.totals.duration_p95_ms,
  })
  assert.deepEqual(
    all.series.map(({ start, runs, succeeded, failed }) => [start, runs, succeeded, failed]),
    [
      ['2026-08-09T00:00:00.000Z', 0, 0, 0],
      ['2026-08-10T00:00:00.000Z', 2, 1, 1],
      ['2026-08-11T00:00:00.000Z', 2, 1, 0],
    ],
  )
  const [first] = all.workflows
  assert.equal(first?.workflow, 'onboard-user')
  assert.deepEqual(first?.failing_steps, [
    { step: 'create-mailbox', failures: 1, last_error: 'quota' },
  ])
  assert.equal(first?.last_run_at, '2026-08-11T09:00:00.000Z')

  await t.test('and only those of the workflow asked for', async () => {
    const nightly = await ask(`workflows?${WINDOW}&workflow=nightly`, workflowsResponse)
    assert.deepEqual([nightly.totals.runs, nightly.totals.duration_p50_ms], [1, 120_000])
  })

  await t.test('and a run without a reported start by its duration', async () => {
    const query = `from=${at('08T23:00:00')}&to=${at('09T01:00:00')}&interval=minute`
    const early = await ask(`workflows?${query}`, workflowsResponse)
    assert.equal(early.series.find(({ runs }) => runs === 1)?.start, '2026-08-08T23:59:00.000Z')
  })

  await t.test('and nothing at all as zeros', async () => {
    const query = `from=${at('01T00:00:00')}&to=${at('02T00:00:00')}`
    const { totals, workflows } = await ask(`workflows?${query}`, workflowsResponse)
    assert.deepEqual(workflows, [])
    assert.deepEqual(
      [totals.runs, totals.failure_rate, totals.duration_p50_ms, totals.duration_p95_ms],
      [0, 0, null, null],
    )
  })
})

test('authorization-metrics counts decisions', async (t) => {
  const path = `authorization-metrics?${WINDOW}&interval=day`
  const all = await ask(path, authorizationMetricsResponse)
  assert.equal(all.service, null)
  const { decisions, allow, deny, no_mapping, deny_rate } = all.totals
  assert.deepEqual([decisions, allow, deny, no_mapping, deny_rate], [5, 2, 2, 1, 0.4])
  assert.deepEqual(all.top_denials, [{ subject: 'bob', reason: 'not an owner', denials: 2 }])
  assert.deepEqual(
    all.by_resource.map(({ service, resource, decisions }) => [service, resource, decisions]),
    [
      ['crud_service', 'record', 3],
      ['analytics_service', 'record', 1],
      ['crud_service', 'secret', 1],
    ],
  )
  for (const service of ['crud', 'crud_service']) {
    await t.test(`of ${service}, named as its events name it`, async () => {
      const one = await ask(`${path}&service=${service}`, authorizationMetricsResponse)
      assert.deepEqual([one.service, one.totals.decisions], ['crud_service', 4])
    })
  }
})

test('who is no reader sees only the own rows', async (t) => {
  const bob = { sub: 'bob', roles: ['clerk'] }
  const paths = ['', '&subject=bob']
  for (const more of paths) {
    await t.test(`with "${more}"`, async () => {
      const runs = await ask(`workflows?${WINDOW}${more}`, workflowsResponse, bob)
      assert.deepEqual([runs.view, runs.totals.runs], ['own', 1])
      const metrics = await ask(
        `authorization-metrics?${WINDOW}${more}`,
        authorizationMetricsResponse,
        bob,
      )
      assert.deepEqual([metrics.view, metrics.totals.decisions], ['own', 3])
      const patterns = await ask(
        `anomalous-access-patterns?${WINDOW}&min_score=0${more}`,
        anomalousAccessPatternsResponse,
        bob,
      )
      assert.deepEqual([patterns.view, patterns.evaluated_events], ['own', 1])
      assert.deepEqual(
        patterns.patterns.map(({ subject }) => subject),
        ['bob'],
      )
    })
  }
  await t.test("and asking for somebody else's finds none", async () => {
    const more = '&subject=alice'
    const runs = await ask(`workflows?${WINDOW}${more}`, workflowsResponse, bob)
    assert.deepEqual([runs.totals.runs, runs.workflows], [0, []])
    const metrics = await ask(
      `authorization-metrics?${WINDOW}${more}`,
      authorizationMetricsResponse,
      bob,
    )
    assert.deepEqual([metrics.totals.decisions, metrics.by_resource], [0, []])
    const patterns = await ask(
      `anomalous-access-patterns?${WINDOW}&min_score=0${more}`,
      anomalousAccessPatternsResponse,
      bob,
    )
    assert.deepEqual([patterns.evaluated_events, patterns.patterns], [0, []])
  })
  await t.test('whatever roles the events name', async () => {
    const outsider = { sub: 'carol', roles: [] }
    const runs = await ask(`workflows?${WINDOW}`, workflowsResponse, outsider)
    assert.equal(runs.totals.runs, 0)
  })
})

test('a query is checked', async (t) => {
  const paths = ['workflows', 'authorization-metrics', 'anomalous-access-patterns']
  const cases: [string, RegExp][] = [
    ['colour=red', /unknown parameter colour; known are from, to/],
    ['from=yesterday', /^from: /],
    [`from=${at('10T00:00:00')}&to=${at('10T00:00:00')}`, /from: must be earlier/],
    ['limit=0', /^limit: /],
    ['limit=1001', /^limit: /],
    ['subject=a&subject=b', /^subject: /],
    ['service=', /^service: /],
  ]
  for (const path of paths) {
    for (const [query, says] of cases) await check(path, query, says)
  }
  const many = `from=${at('01T00:00:00')}&to=${at('12T00:00:00')}&interval=minute`
  await check('workflows', many, /^interval: minute makes 15840 points/)
  await check('authorization-metrics', many, /^interval: /)
  await check('anomalous-access-patterns', 'min_score=1.1', /^min_score: /)
  await check('anomalous-access-patterns', 'from=2025-01-01T00:00:00Z', /at most 92 days/)

  async function check(path: string, query: string, says: RegExp) {
    await t.test(`${path}?${query} is refused`, async () => {
      const { response, body } = await world.get(`/api/v1/analytics/${path}?${query}`)
      assert.equal(response.status, 400)
      const problem = body as { code: string; detail: string }
      assert.equal(problem.code, 'BAD_REQUEST')
      assert.match(problem.detail, says)
    })
  }
})
