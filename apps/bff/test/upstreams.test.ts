import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '@audience-bridge/testkit/wait.ts'
import { slowRequests } from './fast-world.ts'
import { serviceLines, startCopy, startService } from './upstreams-world.ts'

const codeOf = ({ text }: { text: string }) => JSON.parse(text).code as string
const times = (count: number) => Array.from({ length: count }, (_, i) => i)

for (const fast of [true, false]) {
  test(`several upstreams of one service, fast_path ${fast}`, async (t) => {
    const [a, b] = [await startCopy(t, 'a'), await startCopy(t, 'b')]
    const { gateway, call } = await startService(t, [a, b], ['slow_start: 0'], fast)
    const slow = slowRequests(t, gateway.bff)

    await t.test('are asked in turn while both have nothing to do', async () => {
      for (const _ of times(10)) assert.equal((await call()).status, 200)
      assert.deepEqual([a.asked.length, b.asked.length], [5, 5])
      assert.equal(slow.length > 0, !fast)
    })

    await t.test('get less while they have more to do', async () => {
      a.mode = 'hold'
      const held = times(2).map(() => call())
      await until('one held request', () => a.held.length > 0)
      const before = b.asked.length
      for (const _ of times(5)) assert.equal((await call()).text, 'b')
      assert.ok(b.asked.length >= before + 5)
      a.mode = 'answer'
      for (const answer of a.held.splice(0)) answer()
      await Promise.all(held)
    })

    await t.test('replace one that is dead, also for a POST that it never got', async () => {
      await a.stop()
      const post = { method: 'POST', body: 'x', headers: { 'content-type': 'text/plain' } }
      for (const i of times(8)) {
        // First those that may meet a connection that is just closing.
        const answer = await call(`/open/${i}`, i < 4 ? {} : post)
        assert.deepEqual([answer.status, answer.text], [200, 'b'])
      }
      await a.start(a.port)
    })
  })

  test(`a request is repeated only where that is harmless, fast_path ${fast}`, async (t) => {
    const [a, b] = [await startCopy(t, 'a'), await startCopy(t, 'b')]
    const { call } = await startService(t, [a, b], ['circuit_breaker: { enabled: false }'], fast)
    a.mode = 'hang up'
    for (const _ of times(6)) assert.equal((await call()).text, 'b')
    a.asked.length = 0
    b.asked.length = 0
    const statuses = []
    for (const _ of times(6)) statuses.push((await call('/open/x', { method: 'POST' })).status)
    // It may have been carried out before the connection broke.
    assert.equal(a.asked.length + b.asked.length, 6, 'a POST was sent twice')
    assert.deepEqual([...new Set(statuses)].sort(), [200, 502])
    // An answer is the answer, whatever it says.
    a.mode = 503
    b.asked.length = 0
    a.asked.length = 0
    for (const _ of times(6)) await call()
    assert.deepEqual([a.asked.length, b.asked.length], [3, 3])
  })

  test(`a suspended service is tried by exactly one request, fast_path ${fast}`, async (t) => {
    const a = await startCopy(t, 'a')
    const rules = ['circuit_breaker: { failures: 3, seconds: 2 }', 'timeout: 0.2']
    const { gateway, call, metrics } = await startService(t, [a], rules, fast)
    a.mode = 'hold'
    for (const _ of times(3)) assert.equal((await call()).status, 504)
    const suspendedAt = performance.now()
    assert.equal(a.asked.length, 3)
    const refused = await call()
    assert.equal(refused.status, 503)
    assert.equal(codeOf(refused), 'UPSTREAM_SUSPENDED')
    assert.equal(refused.headers.get('retry-after'), '2')
    assert.ok(!refused.text.includes(a.origin), 'no address of ours is told')
    assert.equal(a.asked.length, 3, 'the backend was asked')
    const id = refused.headers.get('x-correlation-id')
    const explained = await until('the explanation', async () => {
      const headers = { authorization: `Bearer ${gateway.adminToken}` }
      const response = await fetch(`${gateway.bff}/admin/explain/${id}`, { headers })
      return response.status === 200 && ((await response.json()) as { text: string })
    })
    assert.match(explained.text, /upstream_suspended/)
    assert.match(explained.text, /since \d{4}-.*last failure at .*timeout/)
    assert.match(await metrics(), /circuit_breaker_status\{service="analytics_service"\} 1/)
    const headers = { authorization: `Bearer ${gateway.adminToken}` }
    const told = await (await fetch(`${gateway.bff}/admin/backends`, { headers })).text()
    assert.match(
      told,
      /"state":"(suspended|probing)","under_way":0,"suspended_at":"2.*"reason":"timeout: /,
    )
    assert.match(await metrics(), /circuit_breaks_total\{service="analytics_service"\} 1/)

    await until('the end of the suspension', () => performance.now() > suspendedAt + 2_020)
    a.asked.length = 0
    const first = times(20).map(() => call())
    await until('the probe', () => a.asked.length > 0)
    const others = (await Promise.all(first)).map(({ status }) => status).sort()
    assert.equal(a.asked.length, 1, 'more than one tried it')
    assert.deepEqual(others, [...times(19).map(() => 503), 504])

    a.mode = 'answer'
    const trying = performance.now()
    await until('the next probe', async () => (await call()).status === 200)
    assert.ok(performance.now() - trying < 6_000)
    assert.deepEqual(
      (await Promise.all(times(10).map(() => call()))).map(({ status }) => status),
      times(10).map(() => 200),
    )
    assert.match(await metrics(), /circuit_breaker_status\{service="analytics_service"\} 0/)
  })

  test(`no more than so many requests at once, fast_path ${fast}`, async (t) => {
    const a = await startCopy(t, 'a')
    const rules = ['concurrency: { requests: 2, queue: 1, queue_seconds: 20 }']
    const { gateway, call } = await startService(t, [a], rules, fast)
    a.mode = 'hold'
    const inside = times(2).map(() => call())
    await until('both', () => a.held.length === 2)
    const left = new AbortController()
    const leaver = fetch(`${gateway.bff}/open/x`, { signal: left.signal })
    const waiter = await Promise.race([
      leaver.then(() => 'answered'),
      until('a full queue', async () => (await call()).status === 503 && 'full'),
    ])
    assert.equal(waiter, 'full')
    const refused = await call()
    assert.equal(codeOf(refused), 'OVERLOADED')
    assert.equal(refused.headers.get('retry-after'), '1')
    // Who leaves while waiting makes room in the queue, and takes no slot with it.
    left.abort()
    await assert.rejects(leaver)
    const next = call()
    a.held.shift()?.()
    await until('the next one in its place', () => a.held.length === 2)
    for (const answer of a.held.splice(0)) answer()
    await until('the last', () => a.held.splice(0).map((answer) => answer()).length >= 0)
    a.mode = 'answer'
    const all = await Promise.all([...inside, next])
    assert.deepEqual(
      all.map(({ status }) => status),
      [200, 200, 200],
    )
    for (const _ of times(5)) assert.equal((await call()).status, 200, 'a slot was lost')
  })

  test(`a body that is too large, fast_path ${fast}`, async (t) => {
    const a = await startCopy(t, 'a')
    a.respond = (req, res) => {
      let bytes = 0
      req.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      req.on('end', () => res.end(String(bytes)))
    }
    const { call } = await startService(t, [a], ['max_body_bytes: 1000'], fast)
    const post = (body: NonNullable<RequestInit['body']>) =>
      call('/open/x', { method: 'POST', body, duplex: 'half' } as RequestInit)
    assert.equal((await post('x'.repeat(1000))).text, '1000')
    const asked = a.asked.length
    const said = await post('x'.repeat(1001))
    assert.deepEqual([said.status, codeOf(said)], [413, 'BODY_TOO_LARGE'])
    assert.equal(a.asked.length, asked, 'the backend was asked')
    const chunks = (count: number) =>
      new ReadableStream({
        start(controller) {
          for (const _ of times(count)) controller.enqueue(new Uint8Array(100))
          controller.close()
        },
      })
    assert.equal((await post(chunks(10))).text, '1000')
    const counted = await post(chunks(11))
    assert.deepEqual([counted.status, codeOf(counted)], [413, 'BODY_TOO_LARGE'])
    assert.equal((await call()).status, 200)
  })
}

test('requests that are sent again have a budget', async (t) => {
  const [a, b] = [await startCopy(t, 'a'), await startCopy(t, 'b')]
  const rules = [
    'retries: { budget_percent: 0, minimum: 3 }',
    'circuit_breaker: { enabled: false }',
  ]
  const { call, metrics } = await startService(t, [a, b], rules)
  a.mode = 'hang up'
  b.mode = 'hang up'
  a.asked.length = 0
  for (const _ of times(10)) assert.equal((await call()).status, 502)
  assert.match(
    await metrics(),
    /bff_upstream_retries_total\{service="analytics_service",outcome="sent"\} 3/,
  )
  assert.match(
    await metrics(),
    /bff_upstream_retries_total\{service="analytics_service",outcome="refused"\} [1-9]/,
  )
})

test('health checks say whom to ask, and carry nothing of anybody', async (t) => {
  const [a, b] = [await startCopy(t, 'a'), await startCopy(t, 'b')]
  const rules = [
    'health_check: { path: /healthz, interval: 0.05, unhealthy_after: 2, healthy_after: 2 }',
    'slow_start: 0',
  ]
  const { gateway, call, metrics } = await startService(t, [a, b], rules)
  const who = await gateway.signedIn()
  assert.equal((await who.fetch('/api/v1/analytics/x')).status, 200)
  a.healthy = false
  await until('a out of favour', async () =>
    /bff_upstream_up\{service="analytics_service",upstream="http:\/\/127.0.0.1:\d+\/"\} 0/.test(
      await metrics(),
    ),
  )
  for (const _ of times(6)) assert.equal((await call()).text, 'b')
  for (const headers of a.checks) {
    const { host, connection, 'user-agent': agent, ...more } = headers
    assert.deepEqual(more, {})
    assert.equal(agent, 'audience-bridge-health-check')
  }
  // Nobody better is left: a mistyped path takes nothing away.
  b.healthy = false
  await until('b out of favour', async () => {
    const text = await metrics()
    return !/bff_upstream_up\{service="analytics_service",upstream="[^"]+"\} 1/.test(text)
  })
  assert.equal((await call()).status, 200)
  a.healthy = true
  await until('a back', async () =>
    /bff_upstream_up\{service="analytics_service",upstream="[^"]+"\} 1/.test(await metrics()),
  )
  for (const _ of times(6)) assert.equal((await call()).text, 'a')
})

test('an answered check ends a suspension', async (t) => {
  const a = await startCopy(t, 'a')
  const rules = [
    'circuit_breaker: { failures: 1, seconds: 3000 }',
    'health_check: { path: /healthz, interval: 0.05, healthy_after: 2 }',
  ]
  const { call } = await startService(t, [a], rules)
  await a.stop()
  assert.equal((await call()).status, 502)
  assert.equal((await call()).status, 503)
  await a.start(a.port)
  await until('the way back', async () => (await call()).status === 200)
})

test('a new configuration takes effect at once and forgets nothing that still holds', async (t) => {
  const [a, b] = [await startCopy(t, 'a'), await startCopy(t, 'b')]
  const rules = ['circuit_breaker: { failures: 1, seconds: 3000 }']
  const { gateway, call } = await startService(t, [a], rules)
  await a.stop()
  assert.equal((await call()).status, 502)
  gateway.reconfigure({ 'BFF/config/routes.yaml': (text) => `${text}# another one\n` })
  assert.equal((await call()).status, 503, 'the suspension was forgotten')
  gateway.reconfigure({ 'BFF/config/routes.yaml': serviceLines([`upstreams: [${b.origin}]`]) })
  for (const _ of times(4)) assert.equal((await call()).text, 'b')
  await a.start(a.port)
  for (const _ of times(4)) assert.equal((await call()).text, 'b', 'the suspension was forgotten')
  gateway.reconfigure({
    'BFF/config/routes.yaml': (text) =>
      text.replace(
        / {4}circuit_breaker: .*\n/,
        '    circuit_breaker: { enabled: false }\n    slow_start: 0\n',
      ),
  })
  const texts = await Promise.all(times(4).map(async () => (await call()).text))
  assert.deepEqual(texts.sort(), ['a', 'a', 'b', 'b'])
})

test('a redirection to any of the upstreams leads back to us', async (t) => {
  const [a, b] = [await startCopy(t, 'a'), await startCopy(t, 'b')]
  const { call } = await startService(t, [a, b])
  for (const copy of [a, b]) {
    copy.respond = (_req, res) => res.writeHead(302, { location: `${b.origin}/open/there` }).end()
  }
  for (const _ of times(2)) assert.equal((await call()).headers.get('location'), '/open/there')
})

for (const where of ['field', 'target']) {
  test(`a head with a long ${where} is refused with 431`, async (t) => {
    const a = await startCopy(t, 'a')
    const { gateway } = await startService(t, [a])
    const long = 'x'.repeat(17_000)
    const answer =
      where === 'field'
        ? await gateway.raw('GET', '/open/x', [['X-Long', long]])
        : await gateway.raw('GET', `/open/x?${long}`)
    assert.equal(answer.status, 431)
    assert.deepEqual(answer.headers.get('content-type'), ['application/problem+json'])
    assert.equal(JSON.parse(answer.body).code, 'HEAD_TOO_LARGE')
    assert.equal(a.asked.length, 0)
  })
}

for (const fast of [true, false]) {
  test(`each service has its own times, fast_path ${fast}`, async (t) => {
    const a = await startCopy(t, 'a')
    const lines = ['timeout: 30', 'idle_timeout: 0.2']
    const { call } = await startService(t, [a], lines, fast)
    a.respond = (_req, res) => void res.writeHead(200).write('half of it')
    const begun = performance.now()
    await assert.rejects(call(), 'an answer that stopped was taken for whole')
    assert.ok(performance.now() - begun < 5_000)
  })
}

test('a WebSocket goes to an upstream that is there, and gives its slot back when it is open', async (t) => {
  const [a, b] = [await startCopy(t, 'a'), await startCopy(t, 'b')]
  const lines = ['concurrency: { requests: 1 }']
  const { gateway, metrics, call } = await startService(t, [a, b], lines)
  b.upgrades = true
  await a.stop()
  const open = () => {
    const socket = new WebSocket(`${gateway.bff.replace('http', 'ws')}/open/x`)
    t.after(() => socket.close())
    return new Promise<string>((resolve) => {
      socket.onopen = () => resolve('open')
      socket.onerror = () => resolve('refused')
    })
  }
  assert.deepEqual([await open(), await open(), await open()], ['open', 'open', 'open'])
  assert.equal((await call()).text, 'b')
  assert.match(await metrics(), /bff_service_slots_taken\{service="analytics_service"\} 0/)
})

test('a check that is not answered holds up no stop', async (t) => {
  const a = await startCopy(t, 'a')
  a.healthy = 'never says'
  const lines = ['health_check: { path: /healthz, interval: 0.05, timeout: 60 }']
  const { gateway, call } = await startService(t, [a], lines)
  await until('a check', () => a.checks.length > 0)
  const begun = performance.now()
  await gateway.restartBff()
  assert.ok(performance.now() - begun < 10_000)
  assert.equal((await call()).status, 200)
})
