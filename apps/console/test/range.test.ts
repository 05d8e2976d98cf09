import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RANGES, readRange, windowOf, writeRange } from '../src/range.ts'

test('the address names the range, and seven days stand for anything unknown', () => {
  assert.equal(readRange('?range=30d').id, '30d')
  assert.equal(readRange('').id, '7d')
  assert.equal(readRange('?range=99y').id, '7d')
})

test('choosing a range keeps the rest of the address', () => {
  assert.equal(writeRange('?tab=a&range=7d', readRange('?range=60d')), '?tab=a&range=60d')
})

test('every range that is written is read back', () => {
  for (const range of RANGES) assert.equal(readRange(writeRange('', range)), range)
})

test('a window starts on a whole interval at or before the time asked for', () => {
  const now = Date.parse('2026-06-12T14:37:11.123Z')
  assert.deepEqual(windowOf(readRange('?range=24h'), now), {
    from: '2026-06-11T14:00:00.000Z',
    interval: 'hour',
  })
  assert.deepEqual(windowOf(readRange('?range=60d'), now), {
    from: '2026-04-13T00:00:00.000Z',
    interval: 'day',
  })
})
