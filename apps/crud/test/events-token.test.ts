import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventsTokenOf } from '../src/events-token.ts'

const AS = {
  issuer: 'http://127.0.0.1:9',
  clientId: 'crud-service',
  clientSecret: 'one',
  audience: 'https://analytics.example',
  scope: 'api.write',
}

test('the events keep their token until what it was asked for with changes', () => {
  const first = eventsTokenOf(AS)
  assert.equal(eventsTokenOf({ ...AS }, first), first)
  for (const change of [{ clientSecret: 'two' }, { issuer: 'http://127.0.0.1:8' }]) {
    assert.notEqual(eventsTokenOf({ ...AS, ...change }, first), first)
  }
})
