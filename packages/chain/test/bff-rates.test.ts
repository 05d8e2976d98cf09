import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rateLimitSchema } from '../src/bff-rates.ts'

test('a limit that limits nothing, or lets nothing pass, is no limit', () => {
  const taken = (limit: unknown) => rateLimitSchema.safeParse(limit).success
  assert.ok(taken({ per_session: { requests: 1, seconds: 0.5 } }))
  assert.ok(taken({ per_address: { requests: 30, seconds: 60, burst: 100 } }))
  for (const refused of [
    {},
    { per_session: { requests: 0, seconds: 60 } },
    { per_session: { requests: 10, seconds: 0 } },
    { per_session: { requests: 10, seconds: 60, burst: 0 } },
    // The documented system has a sample without its average: a bucket that never refills.
    { per_session: { seconds: 60, burst: 100 } },
    { per_session: { requests: 10, burst: 100 } },
    { per_user: { requests: 10, seconds: 60 } },
  ]) {
    assert.ok(!taken(refused), JSON.stringify(refused))
  }
})
