import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fillBuckets } from '../src/series.ts'

type Row = { start: string; runs: number }
const empty = (start: string): Row => ({ start, runs: 0 })
const hours = {
  from: '2026-06-12T10:00:00Z',
  to: '2026-06-12T13:20:00Z',
  interval: 'hour',
} as const

test('quiet hours become zeros, so that the axis keeps its scale', () => {
  const rows = [
    { start: '2026-06-12T13:00:00Z', runs: 2 },
    { start: '2026-06-12T11:00:00Z', runs: 5 },
  ]
  assert.deepEqual(
    fillBuckets(rows, hours, empty).map((row) => row.runs),
    [0, 5, 0, 2],
  )
})

test('a window without rows is all zeros', () => {
  assert.equal(fillBuckets([], hours, empty).length, 4)
})

test('the grid follows the rows: weeks that begin on Mondays get no second grid', () => {
  const window = {
    from: '2026-06-01T00:00:00Z',
    to: '2026-06-22T00:00:00Z',
    interval: 'week',
  } as const
  const filled = fillBuckets([{ start: '2026-06-08T00:00:00Z', runs: 1 }], window, empty)
  assert.deepEqual(
    filled.map((row) => row.start.slice(0, 10)),
    ['2026-06-01', '2026-06-08', '2026-06-15'],
  )
})

test('a window of years by the minute does not freeze the page', () => {
  const window = {
    from: '1999-01-01T00:00:00Z',
    to: '2026-06-12T00:00:00Z',
    interval: 'minute',
  } as const
  assert.ok(fillBuckets([], window, empty).length <= 2_001)
})
