import assert from 'node:assert/strict'
import { test } from 'node:test'
import { correlationIdFrom } from '../src/correlation.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('a harmless id of the caller is kept', () => {
  for (const id of ['12345678', 'a'.repeat(128), 'trace-1._x', crypto.randomUUID()]) {
    assert.equal(correlationIdFrom(id), id)
  }
})

test('an id that could forge a log line or split a header is replaced', () => {
  const hostile = [
    undefined,
    '',
    'short',
    'a'.repeat(129),
    '12345678\r\nset-cookie: a=b',
    '12345678\n',
    '{"level":"error"}',
    '12345678 x',
    '../../etc/passwd',
    'grüße-12345678',
    '12345678\u0000',
    ['12345678', '87654321'],
  ]
  for (const id of hostile) assert.match(correlationIdFrom(id), UUID, JSON.stringify(id))
})

test('every new id is another one', () => {
  const ids = new Set(Array.from({ length: 100 }, () => correlationIdFrom(undefined)))
  assert.equal(ids.size, 100)
})
