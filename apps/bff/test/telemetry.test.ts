import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type Edit, inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { openOtlp } from '../src/telemetry/otlp.ts'
import type { SpanData } from '../src/telemetry/span-data.ts'

const PATH = '/api/v1/analytics/x'
const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'

interface Span {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  startTimeUnixNano: string
  endTimeUnixNano: string
  status: { code?: number }
  attributes: { key: string; value: Record<string, unknown> }[]
}

/** A collector that takes OTLP as JSON. */
async function startCollector(t: TestContext) {
  const collector = {
    origin: '',
    port: 0,
    spans: [] as Span[],
    bodies: [] as string[],
    headers: [] as IncomingHttpHeaders[],
    paths: [] as (string | undefined)[],
    hold: false,
    stop: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    if (collector.hold) return
    const text = Buffer.concat(chunks).toString()
    collector.bodies.push(text)
    collector.headers.push(req.headers)
    collector.paths.push(req.url)
    for (const { scopeSpans } of JSON.parse(text).resourceSpans) {
      for (const { spans } of scopeSpans) collector.spans.push(...spans)
    }
    res.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  collector.port = (server.address() as AddressInfo).port
  collector.origin = `http://127.0.0.1:${collector.port}`
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return collector
}

const attributes = ({ attributes }: Span) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))

const enabled = (endpoint: string, more = ''): Edit =>
  inOrder(
    replace('enabled: ${TELEMETRY_ENABLED:-false}', `enabled: true\n${more}`),
    replace('endpoint: ${OTLP_ENDPOINT:-http://localhost:4318}', `endpoint: ${endpoint}`),
  )

async function startWorld(t: TestContext, edit: Edit | undefined, env = {}) {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
    edits: edit === undefined ? {} : { 'BFF/config/settings.yaml': edit },
    env,
  })
  const counted = async (outcome: string) => {
    const headers = { authorization: `Bearer ${gateway.adminToken}` }
    const text = await (await fetch(`${gateway.bff}/metrics`, { headers })).text()
    const line = new RegExp(`^bff_telemetry_spans_total\\{outcome="${outcome}"\\} (\\d+)$`, 'm')
    return Number(line.exec(text)?.[1] ?? 0)
  }
  return { echo, gateway, counted }
}

test('a request is one trace: the caller, the gateway, the mint, the backend', async (t) => {
  const collector = await startCollector(t)
  const { echo, gateway } = await startWorld(
    t,
    inOrder(
      enabled(collector.origin, '  headers: { Authorization: Api-Token abc }'),
      replace('auth:\n', 'auth:\n  eager_services: []\n'),
    ),
  )
  const who = await gateway.signedIn()
  const raw = (target: string, head: [string, string][] = []) =>
    gateway.raw('GET', target, [['Cookie', who.cookie], ...head])
  const traced: [string, string][] = [['traceparent', `00-${TRACE}-${PARENT}-00`]]
  assert.equal((await raw(`${PATH}?code=a-secret`, traced)).status, 200)
  const spans = () => collector.spans.filter(({ traceId }) => traceId === TRACE)
  const [server, mint, client] = await until('the spans', () => spans().length === 3 && spans())
  assert.ok(server && mint && client)

  assert.deepEqual([server.name, server.kind], ['GET /api/v1/analytics/*', 2])
  assert.equal(server.parentSpanId, PARENT)
  const { hostname, port } = new URL(gateway.bff)
  const id = attributes(server)['audience_bridge.correlation_id']
  assert.deepEqual(attributes(server), {
    'http.request.method': 'GET',
    'url.scheme': 'http',
    'url.path': PATH,
    'server.address': hostname,
    'server.port': Number(port),
    'http.route': '/api/v1/analytics/*',
    'http.response.status_code': 200,
    'audience_bridge.service': 'analytics_service',
    'audience_bridge.correlation_id': id,
    'audience_bridge.config_version': gateway.config().version,
  })
  assert.deepEqual([mint.name, mint.parentSpanId], ['mint analytics_service', server.spanId])
  assert.deepEqual(attributes(mint), {
    'audience_bridge.service': 'analytics_service',
    'audience_bridge.mint': 'token_exchange',
    'audience_bridge.audience': 'https://analytics.ocg.labs.empowernow.ai',
  })
  assert.deepEqual([client.name, client.kind, client.parentSpanId], ['GET', 3, server.spanId])
  assert.deepEqual(attributes(client), {
    'http.request.method': 'GET',
    'server.address': '127.0.0.1',
    'server.port': echo.port,
    'http.response.status_code': 200,
  })
  const times = [server, mint, client].flatMap((span) => [
    span.startTimeUnixNano,
    span.endTimeUnixNano,
  ])
  assert.ok(times.every((nanos) => Math.abs(Number(nanos) / 1e6 - Date.now()) < 60_000))
  const [begins, ends] = [BigInt(server.startTimeUnixNano), BigInt(server.endTimeUnixNano)]
  assert.ok(times.every((nanos) => BigInt(nanos) >= begins && BigInt(nanos) <= ends))
  assert.equal(
    echo.arrivals[0]?.headers.traceparent,
    `00-${TRACE}-${client.spanId}-01`,
    'the backend is told to record, and under whom',
  )
  const line = gateway.logs.find((entry) => entry.correlation_id === id && entry.status === 200)
  assert.deepEqual([line?.trace_id, line?.span_id], [TRACE, client.spanId])

  assert.equal((await raw(PATH)).status, 200)
  assert.equal((await gateway.raw('GET', PATH)).status, 401)
  assert.equal((await gateway.raw('GET', '/health')).status, 200)
  await until('the other requests', () => collector.spans.length >= 6)
  const others = collector.spans.filter(({ traceId }) => traceId !== TRACE)
  const [kept, asked, refused] = others.slice(-3)
  assert.deepEqual([kept?.name, asked?.kind], ['GET /api/v1/analytics/*', 3])
  assert.equal(kept?.parentSpanId ?? '', '', 'a trace of its own')
  assert.equal(attributes(refused as Span)['audience_bridge.problem'], 'SESSION_REQUIRED')
  assert.equal(refused?.status.code ?? 0, 0, 'a refusal is no failure of the gateway')
  assert.ok(!others.some((span) => attributes(span)['url.path'] === '/health'))

  assert.equal(collector.headers[0]?.authorization, 'Api-Token abc')
  assert.equal(collector.paths[0], '/v1/traces')
  const said = collector.bodies.join()
  const session = await gateway.openSession(who)
  const secrets = [...(session?.tokens.values() ?? [])].map(({ token }) => token)
  assert.equal(secrets.length, 1)
  for (const secret of [...secrets, who.cookie.split('=')[1] ?? '', 'a-secret']) {
    assert.ok(secret.length > 4 && !said.includes(secret))
  }
  assert.match(said, /"service.name","value":\{"stringValue":"ms-bff"/)
})

test('failures of backend and caller are told apart', async (t) => {
  const collector = await startCollector(t)
  // As whoever deploys the shipped files turns it on.
  const { echo, gateway } = await startWorld(t, undefined, {
    TELEMETRY_ENABLED: 'true',
    OTLP_ENDPOINT: collector.origin,
  })
  const who = await gateway.signedIn()
  await who.fetch(PATH)
  await until('the first', () => collector.spans.length >= 2)
  collector.spans.length = 0
  echo.respond = (_arrival, res) => res.writeHead(404).end()
  await who.fetch(PATH)
  echo.respond = (_arrival, res) => res.destroy()
  await who.fetch(PATH, { method: 'POST', headers: { 'x-csrf-token': await who.csrfToken() } })
  const [server, client, failed, unanswered] = await until(
    'the spans',
    () => collector.spans.length === 4 && collector.spans,
  )
  assert.ok(server && client && failed && unanswered)
  assert.deepEqual([server.status.code ?? 0, client.status.code], [0, 2])
  assert.equal(attributes(client)['error.type'], '404')
  assert.equal(failed.status.code, 2)
  assert.equal(attributes(failed)['error.type'], attributes(failed)['audience_bridge.problem'])
  assert.equal(attributes(failed)['http.response.status_code'], 502)
  assert.equal(unanswered.status.code, 2)
})

test('what is recorded is the share, unless callers are followed', async (t) => {
  const collector = await startCollector(t)
  const { echo, gateway } = await startWorld(t, enabled(collector.origin, '  sampling: 0'))
  const who = await gateway.signedIn()
  const call = async (traceparent?: string) => {
    await who.fetch(PATH, { headers: traceparent === undefined ? {} : { traceparent } })
    return echo.arrivals.at(-1)?.headers.traceparent
  }
  assert.equal(await call(), undefined, 'no trace is begun that nobody records')
  // The attack: the flag would have each request of its sender recorded, at our cost.
  assert.match(
    `${await call(`00-${TRACE}-${PARENT}-01`)}`,
    /-01$/,
    'the trace is still the caller’s',
  )
  gateway.reconfigure({
    'BFF/config/settings.yaml': replace('sampling: 0', 'sampling: 1\n  follow_callers: true'),
  })
  assert.match(`${await call(`00-${TRACE}-${PARENT}-00`)}`, /-00$/)
  assert.match(`${await call(`00-${TRACE}-${PARENT}-01`)}`, /-01$/)
  await until('one request', () => collector.spans.length >= 2)
  assert.equal(collector.spans.length, 2)
  gateway.reconfigure({ 'BFF/config/settings.yaml': replace('enabled: true', 'enabled: false') })
  assert.equal(await call(), undefined, 'and it can be turned off')
})

test('a collector that is away is no fault of a request', async (t) => {
  const collector = await startCollector(t)
  await collector.stop()
  const { gateway, counted } = await startWorld(t, enabled(collector.origin))
  const who = await gateway.signedIn()
  assert.equal((await who.fetch(PATH)).status, 200)
  await until('the loss to be counted', async () => (await counted('failed')) >= 2, 20_000)
  const other = await startCollector(t)
  gateway.reconfigure({
    'BFF/config/settings.yaml': replace(collector.origin, `${other.origin}/elsewhere`),
  })
  await until('spans at the other collector', async () => {
    assert.equal((await who.fetch(PATH)).status, 200)
    return other.spans.length > 0
  })
  assert.equal(other.paths[0], '/elsewhere')
  await until('the count', async () => (await counted('exported')) >= other.spans.length)
})

test('what a slow collector does not take waits, but not without bounds', async (t) => {
  const collector = await startCollector(t)
  collector.hold = true
  const counts = { exported: 0, failed: 0, dropped: 0 }
  const sink = openOtlp({ url: `${collector.origin}/v1/traces`, headers: {} }, (outcome, count) => {
    counts[outcome] += count
  })
  const now = performance.now()
  const span: SpanData = {
    ...{ traceId: TRACE, spanId: PARENT, parentId: undefined, name: 'x', kind: 1, status: 0 },
    ...{ startedAt: now - 1, endedAt: now, attributes: {} },
  }
  for (let i = 0; i < 10_000; i++) sink.send([span, span])
  assert.deepEqual(counts, { exported: 0, failed: 0, dropped: 20_000 - 8_192 })
  collector.hold = false
  await sink.close()
  assert.equal(counts.exported + counts.failed, 8_192)
})
