import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rawValues, startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import { until } from '@audience-bridge/testkit/wait.ts'

const PATH = '/api/v1/analytics/workflows'
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'

test("the caller's trace", async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
  })
  const member = await gateway.signedIn()
  const cookie: [string, string] = ['Cookie', member.cookie]

  /** What a backend gets of the two headers when a browser sends these lines. */
  const arriving = async (lines: readonly (readonly [string, string])[]) => {
    const { status } = await gateway.raw('GET', PATH, [cookie, ...lines])
    assert.equal(status, 200)
    const arrival = echo.arrivals.at(-1)
    assert.ok(arrival)
    return { parents: rawValues(arrival, 'traceparent'), states: rawValues(arrival, 'tracestate') }
  }
  const parts = (parents: readonly string[]) => {
    assert.equal(parents.length, 1)
    const match = /^00-([0-9a-f]{32})-([0-9a-f]{16})-(0[0-3])$/.exec(parents[0] ?? '')
    assert.ok(match, `${parents[0]}`)
    return { traceId: match[1], spanId: match[2], flags: match[3] }
  }

  await t.test('goes on under a span of ours, with its state', async () => {
    const spans = new Set<string | undefined>()
    for (let i = 0; i < 3; i++) {
      const { parents, states } = await arriving([
        ['traceparent', `00-${TRACE}-${PARENT}-01`],
        ['tracestate', 'congo=t61rcWkgMzE,rojo=00f067aa0ba902b7'],
      ])
      const { traceId, spanId, flags } = parts(parents)
      assert.deepEqual([traceId, flags], [TRACE, '01'])
      assert.notEqual(spanId, PARENT)
      spans.add(spanId)
      assert.deepEqual(states, ['congo=t61rcWkgMzE,rojo=00f067aa0ba902b7'])
    }
    assert.equal(spans.size, 3, 'a span for each request')
  })

  await t.test('is read as a later version says it, and told in ours', async () => {
    const { parents } = await arriving([['traceparent', `cc-${TRACE}-${PARENT}-ff-what-else`]])
    assert.deepEqual([parts(parents).traceId, parts(parents).flags], [TRACE, '03'])
  })

  await t.test('is another where what came is no trace, and its state is gone', async () => {
    for (const wrong of [
      ...['', 'x', `00-${TRACE}-${PARENT}`, `00-${TRACE}-${PARENT}-01-more`],
      ...[`ff-${TRACE}-${PARENT}-01`, `00-${'0'.repeat(32)}-${PARENT}-01`],
      ...[`00-${TRACE}-${'0'.repeat(16)}-01`, `00-${TRACE.toUpperCase()}-${PARENT}-01`],
      ...[`00-${TRACE}-${PARENT}-1`, `0-${TRACE}-${PARENT}-01`, `00-${TRACE}x-${PARENT}-01`],
    ]) {
      const { parents, states } = await arriving([
        ['traceparent', wrong],
        ['tracestate', 'a=1'],
      ])
      assert.notEqual(parts(parents).traceId, TRACE, wrong)
      assert.equal(parts(parents).flags, '00', wrong)
      assert.deepEqual(states, [], wrong)
    }
    const twice = await arriving([
      ['traceparent', `00-${TRACE}-${PARENT}-01`],
      ['traceparent', `00-${TRACE}-${PARENT}-01`],
    ])
    assert.notEqual(parts(twice.parents).traceId, TRACE)
  })

  await t.test('keeps its state where that is one, from several lines too', async () => {
    const trace = ['traceparent', `00-${TRACE}-${PARENT}-00`] as const
    const split = await arriving([trace, ['tracestate', 'a=1'], ['tracestate', 'b@sys=2 3, ']])
    assert.deepEqual(split.states, ['a=1,b@sys=2 3'])
    for (const wrong of [
      ...['', 'a', 'A=1', 'a=', 'a=1=2', '=1', `a=${'x'.repeat(257)}`],
      Array.from({ length: 33 }, (_, i) => `k${i}=1`).join(','),
    ]) {
      const { parents, states } = await arriving([trace, ['tracestate', wrong]])
      assert.equal(parts(parents).traceId, TRACE)
      assert.deepEqual(states, [], wrong)
    }
  })

  await t.test('is not made up where there is none', async () => {
    assert.deepEqual(await arriving([]), { parents: [], states: [] })
    assert.deepEqual(await arriving([['tracestate', 'a=1']]), { parents: [], states: [] })
  })

  await t.test('is in the access log and in what explain shows', async () => {
    const id = 'trace-context-1'
    await arriving([
      ['traceparent', `00-${TRACE}-${PARENT}-01`],
      ['X-Correlation-ID', id],
    ])
    const sent = echo.arrivals.at(-1)?.headers.traceparent
    const line = await until('the access line', () =>
      gateway.logs.find((entry) => entry.correlation_id === id && entry.status === 200),
    )
    assert.equal(sent, `00-${line.trace_id}-${line.span_id}-01`)
    assert.equal(line.trace_id, TRACE)
    const response = await fetch(`${gateway.bff}/admin/explain/${id}`, {
      headers: { authorization: `Bearer ${gateway.adminToken}` },
    })
    assert.match(await response.text(), new RegExp(`"trace_id":"${TRACE}"`))
  })
})

test('where the time went is told to administrators alone', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, { upstreams: { analytics_service: echo.origin } })
  const timing = async (who: { fetch(path: string): Promise<Response> }) =>
    (await who.fetch(PATH)).headers.get('server-timing')
  assert.match(
    (await timing(await gateway.signedIn(USERS.admin))) ?? '',
    /^session;dur=\d+\.\d\d, token;dur=\d+\.\d\d, upstream;dur=\d+\.\d\d$/,
  )
  assert.equal(await timing(await gateway.signedIn()), null)
})
