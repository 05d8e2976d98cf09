import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  formatAgo,
  formatBucket,
  formatClock,
  formatCompact,
  formatCount,
  formatDuration,
  formatEvidence,
  formatMoment,
  formatPlural,
  formatScore,
  formatShare,
  formatSpan,
  formatTick,
} from '../src/format.ts'

const BERLIN = 'Europe/Berlin'
const LOS_ANGELES = 'America/Los_Angeles'

test('counts are in full below a million and short above', () => {
  assert.equal(formatCount(0), '0')
  assert.equal(formatCount(12_480), '12,480')
  assert.equal(formatCount(999_999), '999,999')
  assert.equal(formatCount(1_240_000), '1.24M')
  assert.equal(formatCompact(9_999), '9,999')
  assert.equal(formatCompact(12_480), '12.48K')
  assert.equal(formatPlural(1, 'event'), '1 event')
  assert.equal(formatPlural(1_200, 'event'), '1,200 events')
})

test('a share never rounds what happened to 0% nor what did not always happen to 100%', () => {
  const cases: [number, string][] = [
    [0, '0%'],
    [0.0004, '<0.1%'],
    [0.001, '0.1%'],
    [0.0434, '4.3%'],
    [0.06, '6%'],
    [0.31, '31%'],
    [0.9995, '>99.9%'],
    [1, '100%'],
  ]
  for (const [ratio, text] of cases) assert.equal(formatShare(ratio), text)
})

test('a duration has the two units that matter and carries over at their edges', () => {
  const cases: [number | null, string][] = [
    [null, '–'],
    [0, '0 ms'],
    [1.84, '1.8 ms'],
    [9.96, '10 ms'],
    [340.4, '340 ms'],
    [999.6, '1 s'],
    [41_230, '41.2 s'],
    [59_960, '1 min'],
    [96_000, '1 min 36 s'],
    [119_700, '2 min'],
    [3_599_600, '1 h'],
    [18_720_000, '5 h 12 min'],
    [86_399_000, '1 d'],
    [190_800_000, '2 d 5 h'],
  ]
  for (const [ms, text] of cases) assert.equal(formatDuration(ms), text, String(ms))
})

test('how long ago is coarse, and the future of a skewed clock is just now', () => {
  const now = Date.parse('2026-06-12T12:00:00Z')
  assert.equal(formatAgo('2026-06-12T12:00:09Z', now), 'just now')
  assert.equal(formatAgo('2026-06-12T11:59:30Z', now), 'just now')
  assert.equal(formatAgo('2026-06-12T11:08:00Z', now), '52 min ago')
  assert.equal(formatAgo('2026-06-12T09:30:00Z', now), '2 h ago')
  assert.equal(formatAgo('2026-06-09T09:30:00Z', now), '3 d ago')
  assert.equal(formatAgo('not a time', now), '–')
})

test('a time of day carries its date only when it is not of today, where the reader is', () => {
  const now = Date.parse('2026-06-12T21:00:00Z')
  assert.equal(formatClock('2026-06-12T21:30:00Z', now, 'UTC'), '21:30')
  assert.equal(formatClock('2026-06-12T22:30:00Z', now, BERLIN), '13 Jun, 00:30')
  assert.equal(formatClock('', now, BERLIN), '–')
})

test('a span says nothing twice', () => {
  const at = '2026-06-12T01:14:00Z'
  assert.equal(formatSpan(at, '2026-06-12T01:14:40Z', BERLIN), '12 Jun, 03:14')
  assert.equal(formatSpan(at, '2026-06-12T02:05:00Z', BERLIN), '12 Jun, 03:14–04:05')
  assert.equal(formatSpan(at, '2026-06-13T02:05:00Z', BERLIN), '12 Jun, 03:14 – 13 Jun, 04:05')
})

test('hours are named in the local time, days in UTC as the server counts them', () => {
  const start = '2026-06-12T00:00:00Z'
  assert.equal(formatBucket(start, 'hour', LOS_ANGELES), 'Thu 11 Jun, 17:00–18:00')
  assert.equal(formatBucket(start, 'day', LOS_ANGELES), 'Fri 12 Jun')
  assert.equal(formatBucket(start, 'week', LOS_ANGELES), 'Week of 12 Jun')
})

test('ticks are sparse enough to be read', () => {
  assert.equal(formatTick('2026-06-12T02:00:00Z', 'hour', 24, BERLIN), '04:00')
  assert.equal(formatTick('2026-06-12T03:00:00Z', 'hour', 24, BERLIN), '')
  assert.equal(formatTick('2026-06-11T22:00:00Z', 'hour', 168, BERLIN), '12 Jun')
  assert.equal(formatTick('2026-06-12T02:00:00Z', 'hour', 168, BERLIN), '')
  assert.equal(formatTick('2026-06-08T00:00:00Z', 'day', 30, LOS_ANGELES), '8 Jun')
  assert.equal(formatTick('2026-06-09T00:00:00Z', 'day', 30, LOS_ANGELES), '')
  assert.equal(formatTick('2026-06-09T00:00:00Z', 'day', 7, LOS_ANGELES), '9 Jun')
})

test('evidence keeps words and three digits of numbers', () => {
  assert.equal(formatEvidence('Sun 03:14'), 'Sun 03:14')
  assert.equal(formatEvidence(2_118), '2,118')
  assert.equal(formatEvidence(0.00254), '0.00254')
  assert.equal(formatEvidence(0.0001), '<0.001')
  assert.equal(formatEvidence(17.2571), '17.3')
  assert.equal(formatScore(0.875), '0.88')
})

test('a moment is told to the second, with the date where it is not of today', () => {
  const now = Date.parse('2026-08-02T10:00:00Z')
  assert.equal(formatMoment('2026-08-02T00:15:27.417Z', now, BERLIN), '02:15:27')
  assert.equal(formatMoment('2026-08-01T21:59:59Z', now, BERLIN), '1 Aug, 23:59:59')
  assert.equal(formatMoment('2026-08-01T22:00:00Z', now, BERLIN), '00:00:00')
  assert.equal(formatMoment('', now), '–')
})
