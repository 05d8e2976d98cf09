import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ingestResponse } from '@audience-bridge/contracts/event.ts'
import { access, decision, workflow } from './make.ts'
import { startWorld } from './world.ts'

const world = await startWorld()
const NOW = Date.now()

async function stored(prefix: string): Promise<{ rows: number; ids: number }> {
  const [row] = await world.engine.query<{ rows: string; ids: string }>(
    'SELECT count() AS rows, uniqExact(source, id) AS ids FROM events WHERE startsWith(id, {prefix: String})',
    { prefix },
  )
  return { rows: Number(row?.rows), ids: Number(row?.ids) }
}

const batchOf = (prefix: string, size: number) =>
  Array.from({ length: size }, (_, i) => access(NOW - i, {}, { id: `${prefix}${i}` }))

test('all three types and all three media types are taken', async () => {
  const run = [access(NOW), decision(NOW), workflow(NOW)]
  const cases: [string, unknown, number][] = [
    ['application/cloudevents+json', access(NOW), 1],
    ['application/cloudevents-batch+json', run, 3],
    ['application/json', access(NOW), 1],
    ['application/json; charset=utf-8', [access(NOW)], 1],
    ['application/json', [], 0],
  ]
  for (const [type, body, accepted] of cases) {
    const answer = await world.post(body, {}, type)
    assert.equal(answer.response.status, 200, type)
    assert.deepEqual(ingestResponse.parse(answer.body), { accepted, duplicates: 0, rejected: [] })
  }
})

test('a bad event is reported by index and field, and the good ones around it are kept', async () => {
  const good = batchOf('kept-', 2)
  const bad: [unknown, RegExp][] = [
    [{ ...access(NOW), data: { ...access(NOW).data, status: 6000 } }, /data\.status/],
    [{ ...access(NOW), time: undefined }, /time/],
    [{ ...access(NOW), type: 'com.example.other' }, /type/],
    [{ ...access(NOW), data: { ...access(NOW).data, password: 'x' } }, /password/],
    [{ ...access(NOW), time: new Date(NOW + 25 * 3_600_000).toISOString() }, /time: .*future/],
    [{ ...access(NOW), time: '1999-12-31T00:00:00Z' }, /time: before/],
    ['nonsense', /event/],
    [null, /event/],
  ]
  const { body } = await world.post([good[0], ...bad.map(([event]) => event), good[1]])
  const answer = ingestResponse.parse(body)
  assert.equal(answer.accepted, 2)
  assert.deepEqual(
    answer.rejected.map(({ index }) => index),
    bad.map((_, i) => i + 1),
  )
  for (const [i, [, says]] of bad.entries()) {
    assert.match(answer.rejected[i]?.detail ?? '', says)
  }
  assert.deepEqual(await stored('kept-'), { rows: 2, ids: 2 })
})

test('an event is stored once', async (t) => {
  await t.test('when it is twice in one batch', async () => {
    const [event] = batchOf('twice-', 1)
    const { body } = await world.post([event, event])
    assert.deepEqual(ingestResponse.parse(body), { accepted: 1, duplicates: 1, rejected: [] })
  })

  await t.test('when a batch is sent again, even with another time', async () => {
    const batch = batchOf('again-', 100)
    await world.post(batch)
    const later = batch.map((event) => ({ ...event, time: new Date(NOW - 5e6).toISOString() }))
    const { body } = await world.post(later)
    assert.deepEqual(ingestResponse.parse(body), { accepted: 0, duplicates: 100, rejected: [] })
    assert.deepEqual(await stored('again-'), { rows: 100, ids: 100 })
  })

  await t.test('when the same batch arrives many times at once', async () => {
    const batch = batchOf('storm-', 300)
    const answers = await Promise.all(Array.from({ length: 12 }, () => world.post(batch)))
    const bodies = answers.map(({ body }) => ingestResponse.parse(body))
    assert.equal(
      bodies.reduce((sum, { accepted }) => sum + accepted, 0),
      300,
    )
    assert.deepEqual(await stored('storm-'), { rows: 300, ids: 300 })
  })

  await t.test('but one id of two sources is two events', async () => {
    const a = access(NOW, {}, { id: 'pair-1', source: 'urn:a' })
    const b = access(NOW, {}, { id: 'pair-1', source: 'urn:b' })
    const { body } = await world.post([a, b])
    assert.equal(ingestResponse.parse(body).accepted, 2)
  })
})

test('what an attacker may write into a field is stored as it is', async () => {
  const nasty = ["'; DROP TABLE events; --", '{x:String}', 'a\\', 'nul\u0000', 'half \ud800', '\n;']
  for (const [i, text] of nasty.entries()) {
    const event = access(NOW, { subject: text, path: text, resource: text }, { id: `nasty-${i}` })
    const { response, body } = await world.post(event)
    assert.equal(response.status, 200)
    assert.equal(ingestResponse.parse(body).accepted, 1, JSON.stringify(text))
  }
  const rows = await world.engine.query<{ subject: string }>(
    "SELECT subject FROM events WHERE startsWith(id, 'nasty-') ORDER BY id",
  )
  assert.deepEqual(
    rows.map(({ subject }) => subject),
    nasty.map((text) => text.toWellFormed()),
  )
})

test('a thousand small posts at once make few parts on disk', async () => {
  const authorization = `Bearer ${await world.token()}`
  const headers = { authorization, 'content-type': 'application/json' }
  const posts = batchOf('small-', 1000).map((event) =>
    fetch(`${world.origin}/api/v1/analytics/events`, {
      method: 'POST',
      headers,
      body: JSON.stringify(event),
    }).then((response) => response.status),
  )
  assert.deepEqual(new Set(await Promise.all(posts)), new Set([200]))
  assert.deepEqual(await stored('small-'), { rows: 1000, ids: 1000 })
  const [parts] = await world.engine.query<{ highest: string }>(
    "SELECT max(max_block_number) AS highest FROM system.parts WHERE table = 'events'",
  )
  assert.ok(Number(parts?.highest) < 150, `${parts?.highest} inserts`)
})

test('a request that cannot be taken', async (t) => {
  const tooMany = Array.from({ length: 5001 }, () => 0)
  const cases: [string, RequestInit & { scope?: string }, number, string][] = [
    ['not JSON', { body: '{"a":' }, 400, 'BAD_REQUEST'],
    ['empty', { body: '' }, 400, 'BAD_REQUEST'],
    ['of 5,001 events', { body: JSON.stringify(tooMany) }, 413, 'BODY_TOO_LARGE'],
    ['over 5 MB', { body: `"${'x'.repeat(5_000_001)}"` }, 413, 'BODY_TOO_LARGE'],
    [
      'of another type',
      { body: 'a=b', headers: { 'content-type': 'text/plain' } },
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    [
      'an array sent as a single event',
      { body: '[]', headers: { 'content-type': 'application/cloudevents+json' } },
      400,
      'BAD_REQUEST',
    ],
    [
      'an object sent as a batch',
      { body: '{}', headers: { 'content-type': 'application/cloudevents-batch+json' } },
      400,
      'BAD_REQUEST',
    ],
    ['with api.read alone', { body: '[]', scope: 'api.read' }, 403, 'INSUFFICIENT_SCOPE'],
    ['with application.all', { body: '[]', scope: 'application.all' }, 403, 'INSUFFICIENT_SCOPE'],
  ]
  for (const [name, { scope, ...init }, status, code] of cases) {
    await t.test(`${name}: ${status} ${code}`, async () => {
      const response = await fetch(`${world.origin}/api/v1/analytics/events`, {
        method: 'POST',
        ...init,
        headers: {
          authorization: `Bearer ${await world.token(scope === undefined ? {} : { scope })}`,
          'content-type': 'application/json',
          'x-correlation-id': 'ingest-test-1',
          ...(init.headers as Record<string, string>),
        },
      })
      const problem = (await response.json()) as Record<string, unknown>
      assert.equal(response.status, status)
      assert.equal(response.headers.get('content-type'), 'application/problem+json')
      assert.equal(problem.code, code)
      assert.equal(problem.correlation_id, 'ingest-test-1')
      assert.equal(response.headers.get('x-correlation-id'), 'ingest-test-1')
    })
  }
})
