import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startSystem } from '@audience-bridge/testkit/system.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { authorization } from './analytics-api.ts'

const REQUESTS = 60

test('an analytics service that has stopped answering slows nobody and loses nothing', async (t) => {
  const system = await startSystem(t)
  const admin = await system.signedIn('admin')
  const member = await system.signedIn('member')
  const routed = async () => {
    const { by_resource } = await authorization(admin, { service: 'crud_service' })
    const rows = by_resource.filter(
      ({ resource, action }) => resource === 'route' && action === 'GET',
    )
    return rows.reduce((sum, { decisions }) => sum + decisions, 0)
  }

  const before = await medianMs(member)
  await until('the first events', async () => (await routed()) === REQUESTS)

  // Frozen is worse than dead: connections are taken and never answered.
  process.kill(system.pids.analytics, 'SIGSTOP')
  try {
    const during = await medianMs(member)
    t.diagnostic(`median: ${before.toFixed(1)} ms before, ${during.toFixed(1)} ms during`)
    assert.ok(during < before * 3 + 20, `${during} ms instead of ${before} ms`)
  } finally {
    process.kill(system.pids.analytics, 'SIGCONT')
  }

  await until('every event, once', async () => (await routed()) === 2 * REQUESTS, 60_000)
  assert.equal(await routed(), 2 * REQUESTS)
})

/** The median of as many requests to crud, one after the other, each of which must succeed. */
async function medianMs(who: Visitor): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < REQUESTS; i++) {
    const began = performance.now()
    const response = await who.fetch('/api/crud/projects')
    assert.equal(response.status, 200)
    await response.arrayBuffer()
    times.push(performance.now() - began)
  }
  return times.sort((a, b) => a - b)[REQUESTS / 2] ?? 0
}
