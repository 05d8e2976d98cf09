import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rateLimitSchema } from '../src/bff-rates.ts'
import { checkBridge } from '../src/check.ts'
import { shipped } from './shipped.ts'

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

test('a limit that counts nobody is a finding', () => {
  const told = (limit: string, auth: string) =>
    checkBridge(
      shipped({
        'BFF/config/routes.yaml': (text) =>
          text
            .replace('  crud_service:\n', `  crud_service:\n    rate_limit: { ${limit} }\n`)
            .replace(
              /(target_service: crud_service\n(?: {4}.*\n)*? {4}auth: )session/,
              `$1${auth}`,
            ),
      }),
      {},
    ).map(({ kind, code, key }) => `${kind} ${code} ${key}`)
  const [sessions, addresses] = ['session', 'address'].map(
    (per) => `per_${per}: { requests: 1, seconds: 1 }`,
  )
  assert.deepEqual(told(`${sessions}`, 'session'), [])
  assert.deepEqual(told(`${addresses}`, 'session'), [])
  assert.deepEqual(told(`${addresses}`, 'bearer'), [])
  assert.deepEqual(told(`${sessions}`, 'bearer'), [
    'unsafe rate_limit_idle services.crud_service.rate_limit.per_session',
  ])
})
