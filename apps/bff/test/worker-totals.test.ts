import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Counter, Registry } from 'prom-client'
import { Totals } from '../src/workers/totals.ts'

async function snapshotOf(count: number) {
  const registry = new Registry()
  new Counter({ name: 'requests_total', help: 'Requests.', registers: [registry] }).inc(count)
  return registry.getMetricsAsJSON()
}

test('what workers counted stays counted when several of them die at once', async () => {
  const totals = new Totals()
  for (const worker of [1, 2, 3]) totals.note(worker, await snapshotOf(10 ** worker))
  const own = new Registry()
  totals.forget(1)
  totals.forget(2)
  totals.forget(2)
  for (const times of ['once', 'twice', 'and again']) {
    assert.match(await totals.text(own), /^requests_total 1110$/m, times)
  }
  totals.note(1, await snapshotOf(1))
  totals.forget(3)
  const [one, other] = await Promise.all([totals.text(own), totals.text(own)])
  assert.match(one, /^requests_total 1111$/m)
  assert.match(other, /^requests_total 1111$/m)
  assert.match(await totals.text(own), /^requests_total 1111$/m)
})
