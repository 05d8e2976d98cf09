import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AppProcess, Nodes } from '@audience-bridge/testkit/nodes.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { SERVICES, signInMany, startPair } from './nodes-world.ts'

const SESSIONS = 6
/** Routes that need no session. */
const OPEN = '/open/x'

interface Call {
  open: boolean
  status: number
  code: string | undefined
  retryAfter: string | null
  cleared: boolean
  startedAt: number
  ms: number
}

/** Calls without end, on each node with each session and without one, until it is told to stop. */
function startLoad(nodes: Nodes, visitors: readonly Visitor[]) {
  const calls: Call[] = []
  let running = true
  const loop = async (node: AppProcess, who: Visitor, path: string) => {
    while (running) {
      const startedAt = performance.now()
      const response = await nodes.call(node, who, path)
      const body = await response.text()
      calls.push({
        open: path === OPEN,
        status: response.status,
        code: response.status === 200 ? undefined : JSON.parse(body).code,
        retryAfter: response.headers.get('retry-after'),
        cleared: response.headers.getSetCookie().length > 0,
        startedAt,
        ms: performance.now() - startedAt,
      })
    }
  }
  const loops = nodes.bffs.flatMap((node) => [
    ...visitors.map((who) => loop(node, who, SERVICES.analytics.path)),
    ...visitors.slice(0, 1).map((who) => loop(node, who, OPEN)),
  ])
  return {
    calls,
    stop: () => {
      running = false
      return Promise.all(loops)
    },
  }
}

const median = (numbers: number[]) => numbers.sort((a, b) => a - b)[numbers.length >> 1] ?? 0

test('Redis goes away under load: 503 within a second, no cookie lost, and on by itself', async (t) => {
  const { redis, echo, nodes } = await startPair(t, 'token_exchange', {
    routes: '  - id: open\n    path: /open/*\n    target_service: crud_service\n    auth: none\n',
  })
  const visitors = await signInMany(nodes, SESSIONS)
  for (const node of nodes.bffs) {
    for (const who of visitors) {
      assert.equal((await nodes.call(node, who, SERVICES.analytics.path)).status, 200)
    }
  }
  const load = startLoad(nodes, visitors)
  const healthy = () => until('calls', () => load.calls.length > 100)
  await healthy()

  const outage = async (what: string, begin: () => unknown, end: () => unknown) => {
    const from = load.calls.length
    const began = performance.now()
    await begin()
    const seen = () => load.calls.slice(from)
    const refused = () => seen().filter(({ open, status }) => !open && status === 503)
    await until('a refusal of every session on both nodes', () => refused().length > 100, 30_000)
    const backAt = performance.now()
    await end()
    const good = () => seen().filter((call) => !call.open && call.status === 200)
    await until(
      'the recovery',
      () => good().filter(({ startedAt }) => startedAt > backAt).length > 100,
      30_000,
    )
    const calls = seen()
    const noticed = (refused()[0]?.startedAt ?? 0) + (refused()[0]?.ms ?? 0) - began
    const slowest = Math.max(...refused().map(({ ms }) => ms))
    const first = good().find(({ startedAt, ms }) => startedAt + ms > backAt)
    const recovered = (first?.startedAt ?? 0) + (first?.ms ?? 0) - backAt
    t.diagnostic(
      `${what}: first 503 after ${noticed.toFixed(0)} ms; ${refused().length} of them, median ${median(refused().map(({ ms }) => ms)).toFixed(0)} ms, slowest ${slowest.toFixed(0)} ms; answers again after ${recovered.toFixed(0)} ms`,
    )
    // Nothing but the truth: no 401, no cookie taken away, a time to come back.
    for (const call of calls) {
      if (call.status === 200) continue
      assert.equal(call.open, false, 'a route without a session goes on')
      assert.deepEqual([call.status, call.code], [503, 'STORE_UNAVAILABLE'])
      assert.ok(Number(call.retryAfter) > 0)
      assert.equal(call.cleared, false)
    }
    assert.ok(calls.some(({ open, status }) => open && status === 200))
    // Half of them at once: a command that hangs is not waited for by all.
    assert.ok(median(refused().map(({ ms }) => ms)) < 1_000)
  }
  await outage(
    'paused',
    () => redis.pause(),
    () => redis.resume(),
  )
  await outage(
    'killed',
    () => redis.kill(),
    () => redis.start(),
  )
  await load.stop()
  for (const who of visitors) {
    for (const node of nodes.bffs) {
      const session = (await (await nodes.call(node, who, '/api/auth/session')).json()) as {
        authenticated: boolean
      }
      assert.equal(session.authenticated, true)
    }
  }
  // Tokens that were out went on; none was minted twice.
  const jtis = new Set(echo.arrivals.flatMap(({ claims }) => (claims ? [claims.jti] : [])))
  assert.equal(jtis.size, SESSIONS)
})
