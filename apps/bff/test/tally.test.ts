import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Counter, Histogram, Registry } from 'prom-client'
import { TallyCounter, TallyHistogram } from '../src/tally.ts'

const BUCKETS = [0.001, 0.0025, 0.1, 1]

test('what is tallied is shown as prom-client would show it', async () => {
  const [ours, theirs] = [new Registry(), new Registry()]
  const counter = { name: 'c_total', help: 'c', labelNames: ['method', 'endpoint', 'status'] }
  const histogram = { name: 'h_seconds', help: 'h', labelNames: ['method', 'endpoint'] }
  const tallied = new TallyCounter({ ...counter, registers: [ours] })
  const counted = new Counter({ ...counter, registers: [theirs] })
  const noted = new TallyHistogram({ ...histogram, buckets: BUCKETS, registers: [ours] })
  const observed = new Histogram({ ...histogram, buckets: BUCKETS, registers: [theirs] })
  const values = [0, 0.001, 0.0011, 0.0025, 0.09, 1, 1.0001, 30]
  for (const [i, value] of values.entries()) {
    const method = i % 2 === 0 ? 'GET' : 'POST'
    const endpoint = i % 3 === 0 ? 'a"b\\c' : 'crud'
    tallied.add(method, endpoint, 200 + i)
    counted.inc({ method, endpoint, status: 200 + i })
    noted.add(value, method, endpoint)
    observed.observe({ method, endpoint }, value)
  }
  // The order of lines and labels means nothing.
  const lines = async (registry: Registry) =>
    (await registry.metrics())
      .split('\n')
      .map((line) => line.replace(/\{(.*)\}/, (_, labels) => `{${labels.split(',').sort()}}`))
      .sort()
  assert.deepEqual(await lines(ours), await lines(theirs))
  assert.deepEqual(await lines(ours), await lines(theirs), 'asked twice, nothing is counted twice')
  const names = (await ours.getMetricsAsJSON()).map(({ name, aggregator }) => [name, aggregator])
  assert.deepEqual(names, [
    ['c_total', 'sum'],
    ['h_seconds', 'sum'],
  ])
})
