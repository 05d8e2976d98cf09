import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bffRoutesSchema } from '../src/bff-routes.ts'

const taken = (service: Record<string, unknown>) =>
  bffRoutesSchema.safeParse({
    services: { a: { base_url: 'http://a:1/base', ...service } },
    routes: [],
  }).success

test('upstreams of one service are copies of each other', () => {
  assert.ok(taken({ upstreams: ['http://b:1/base', 'http://a:2/base'] }))
  for (const other of [
    // The path would be another one, and so the place.
    'http://b:1',
    'http://b:1/base/',
    'http://b:1/base?x',
    // Half of the requests would go without TLS.
    'https://b:1/base',
    'http://a:1/base',
    'b:1',
  ]) {
    assert.ok(!taken({ upstreams: [other] }), other)
  }
  assert.ok(!taken({ upstreams: ['http://b:1/base', 'http://b:1/base'] }))
})

test('what limits nothing, or is no status of a failure, is refused', () => {
  assert.ok(taken({ concurrency: { requests: 1 } }))
  for (const service of [
    { concurrency: {} },
    { concurrency: { requests: 0 } },
    { circuit_breaker: { failures: 0 } },
    // A client's own mistakes are no failure of the backend.
    { circuit_breaker: { statuses: [404] } },
    { retries: { attempts: 50 } },
    { health_check: {} },
    { max_body_bytes: -1 },
    { circuit_braker: {} },
  ]) {
    assert.ok(!taken(service), JSON.stringify(service))
  }
})
