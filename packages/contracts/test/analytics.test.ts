import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  anomalousAccessPatternsQuery,
  authorizationMetricsQuery,
  workflowsQuery,
} from '../src/analytics.ts'
import { sessionResponse } from '../src/session.ts'

const queries = { workflowsQuery, authorizationMetricsQuery, anomalousAccessPatternsQuery }

test('a query without parameters is taken, with a limit of 100', () => {
  for (const query of Object.values(queries)) assert.deepEqual(query.parse({}), { limit: 100 })
})

test("the brief's own query is taken", () => {
  assert.equal(authorizationMetricsQuery.parse({ service: 'crud' }).service, 'crud')
})

test('numbers arrive as text and become numbers', () => {
  assert.equal(workflowsQuery.parse({ limit: '7' }).limit, 7)
  assert.equal(anomalousAccessPatternsQuery.parse({ min_score: '0.5' }).min_score, 0.5)
})

test('a parameter that cannot be meant is refused', async (t) => {
  const common: [what: string, query: Record<string, unknown>][] = [
    ['an unknown parameter', { sevice: 'crud' }],
    ['a parameter twice', { service: ['a', 'b'] }],
    ['a date without a time', { from: '2026-03-01' }],
    ['a time without a zone', { to: '2026-03-01T00:00:00' }],
    ['no limit', { limit: '0' }],
    ['a limit beyond 1000', { limit: '1001' }],
    ['half a limit', { limit: '1.5' }],
    ['a limit that is no number', { limit: 'all' }],
    ['an empty service', { service: '' }],
    ['an endless service', { service: 'x'.repeat(129) }],
    ['an endless subject', { subject: 'x'.repeat(257) }],
  ]
  for (const [name, schema] of Object.entries(queries)) {
    for (const [what, query] of common) {
      await t.test(`${name}: ${what}`, () => {
        assert.equal(schema.safeParse(query).success, false)
      })
    }
  }
  await t.test('an unknown interval', () => {
    assert.equal(workflowsQuery.safeParse({ interval: 'fortnight' }).success, false)
  })
  await t.test('a score beyond 1', () => {
    assert.equal(anomalousAccessPatternsQuery.safeParse({ min_score: '1.1' }).success, false)
  })
})

test('a session that is none says only so', () => {
  assert.deepEqual(sessionResponse.parse({ authenticated: false }), { authenticated: false })
  assert.equal(sessionResponse.safeParse({ authenticated: true }).success, false)
})

test('a session keeps nothing that its shape does not name: no token leaks through it', () => {
  const session = {
    authenticated: true,
    user: { sub: 'u1', roles: [] },
    csrf_token: 'c',
    expires_at: '2026-03-01T12:00:00Z',
    idle_expires_at: '2026-03-01T12:00:00Z',
    services: ['analytics_service'],
    ends: { at: '2026-03-01T12:00:00Z', by: 'idle' },
    limits: { idle: '2026-03-01T12:00:00Z', absolute: '2026-03-01T12:00:00Z' },
  }
  assert.deepEqual(sessionResponse.parse({ ...session, access_token: 'secret' }), session)
})
