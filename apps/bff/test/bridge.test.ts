import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Arrival, rawNames, rawValues, startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { VISITOR_AGENT } from '@audience-bridge/testkit/raw.ts'

const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'
const CRUD = 'https://crud.ocg.labs.empowernow.ai'
const PATH = '/api/v1/analytics/workflows'

/** By which a backend might be told who calls, or from where, or what is asked, by the browser. */
const CLAIMS_OF_THE_BROWSER = [
  'Authorization',
  'X-Original-User',
  'X-Original-URL',
  'X-Rewrite-URL',
  'X-HTTP-Method-Override',
  'X-HTTP-Method',
  'X-Method-Override',
  'X-User',
  'X-User-Id',
  'X-User-Email',
  'X-User-Name',
  'X-User-Assertion',
  'X-UserId',
  'X-Username',
  'X-Email',
  'X-Roles',
  'X-Groups',
  'X-Principal',
  'X-Tenant-Id',
  'X-Session-Id',
  'X-Auth-Time',
  'X-Auth-Request-User',
  'X-Authenticated-User',
  'X-Remote-User',
  'Remote-User',
  'Remote-Groups',
  'X-WebAuth-User',
  'X-Forwarded-User',
  'X-Forwarded-Email',
  'X-Forwarded-Client-Cert',
  'X-Forwarded-Access-Token',
  'X-Access-Token',
  'X-Client-Cert',
  'X-SSL-Client-Verify',
  'X-Amzn-Oidc-Identity',
  'X-Amzn-Oidc-Data',
  'X-MS-Client-Principal',
  'X-Goog-Authenticated-User-Email',
  'X-Goog-IAP-JWT-Assertion',
  'Cf-Access-Jwt-Assertion',
  'Cf-Access-Authenticated-User-Email',
  'Tailscale-User-Login',
  'X-Real-IP',
  'X-Client-IP',
  'X-Cluster-Client-IP',
  'True-Client-IP',
  'CF-Connecting-IP',
  'Forwarded',
  'Proxy-Authorization',
  'DPoP',
  'X-CSRF-Token',
]

const SPELLINGS: ((name: string) => string)[] = [
  (name) => name,
  (name) => name.toUpperCase(),
  (name) => name.toLowerCase(),
  // CGI and WSGI servers read this as the same field.
  (name) => name.replaceAll('-', '_'),
  (name) => name.replace('-', '_'),
]

test('what arrives at a backend', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
  })
  const visitor = await gateway.signedIn()
  const lastArrival = (): Arrival => {
    const arrival = echo.arrivals.at(-1)
    assert.ok(arrival)
    return arrival
  }
  const send = (head: [string, string][], method = 'GET', body = '') =>
    gateway.raw(method, PATH, [['Cookie', visitor.cookie], ...head], body)

  await t.test('is a token for its audience alone, and no cookie', async () => {
    for (const [path, target, audience, scope] of [
      [`${PATH}?from=x&a=%20`, `${PATH}?from=x&a=%20`, ANALYTICS, 'api.read'],
      ['/api/crud/projects', '/api/projects', CRUD, 'crud.read crud.write'],
    ] as const) {
      const response = await visitor.fetch(path)
      assert.equal(response.status, 200)
      const arrival = lastArrival()
      assert.equal(arrival.url, target)
      assert.deepEqual(arrival.jwtHeader?.typ, 'at+jwt')
      const { aud, scope: carried, sub, act, iss, client_id, exp, iat } = arrival.claims ?? {}
      assert.deepEqual(
        { aud, carried, sub, act, iss, client_id },
        {
          aud: audience,
          carried: scope,
          sub: 'user-ben',
          act: { sub: 'bff-server' },
          iss: `${gateway.idp}/api/oidc`,
          client_id: 'bff-server',
        },
      )
      assert.ok(Number(exp) - Number(iat) <= 600, 'a service token lives ten minutes at most')
      assert.equal(rawValues(arrival, 'authorization').length, 1)
      assert.equal(arrival.headers.cookie, undefined)
      assert.equal(arrival.headers['x-correlation-id'], response.headers.get('x-correlation-id'))
    }
  })

  await t.test('is the same token while it lives, and another for another session', async () => {
    const token = () => lastArrival().headers.authorization
    await visitor.fetch(PATH)
    const first = token()
    await visitor.fetch(PATH)
    assert.equal(token(), first)
    const other = await gateway.signedIn()
    await other.fetch(PATH)
    assert.notEqual(token(), first)
  })

  await t.test("holds none of the browser's claims of identity, in any spelling", async () => {
    for (const spell of SPELLINGS) {
      await send(CLAIMS_OF_THE_BROWSER.map((name) => [spell(name), 'evil-value']))
      const arrival = lastArrival()
      assert.deepEqual(
        arrival.rawHeaders.filter((_, i) => arrival.rawHeaders[i + 1]?.includes('evil-value')),
        [],
      )
      assert.equal(arrival.claims?.sub, 'user-ben')
      assert.deepEqual(rawValues(arrival, 'x-forwarded-for'), ['127.0.0.1'])
    }
  })

  await t.test('holds what is harmless', async () => {
    const harmless: [string, string][] = [
      ['Accept', 'text/csv'],
      ['Accept-Language', 'de'],
      ['If-None-Match', '"x"'],
      ['Range', 'bytes=0-1'],
      ['User-Agent', VISITOR_AGENT],
      ['X-Requested-With', 'XMLHttpRequest'],
      ['X-Anything', 'kept'],
    ]
    await send(harmless)
    for (const [name, value] of harmless) {
      assert.deepEqual(rawValues(lastArrival(), name.toLowerCase()), [value])
    }
  })

  await t.test('is without the fields that Connection names, but with ours', async () => {
    await send([
      ['Connection', 'close, X-Secret-Hop, x-correlation-id, Authorization, X-Forwarded-For'],
      ['Connection', 'x-second'],
      ['X-Secret-Hop', 'this hop only'],
      ['X-Second', 'this hop only'],
      ['X-Correlation-ID', 'correlation-4711'],
      ['Keep-Alive', 'timeout=5'],
      ['TE', 'trailers'],
      ['Trailer', 'X-End'],
      ['Proxy-Connection', 'keep-alive'],
    ])
    const arrival = lastArrival()
    for (const gone of ['x-secret-hop', 'x-second', 'te', 'trailer', 'proxy-connection']) {
      assert.ok(!rawNames(arrival).includes(gone), gone)
    }
    assert.equal(arrival.headers['x-correlation-id'], 'correlation-4711')
    assert.equal(arrival.claims?.aud, ANALYTICS)
    assert.equal(arrival.headers['x-forwarded-for'], '127.0.0.1')
  })

  await t.test(
    'is the correlation id of the browser where it is harmless, else a new one',
    async () => {
      for (const [sent, kept] of [
        ['0af76519-16cd-43dd-8448-eb211c80319c', true],
        ['abcdefgh', true],
        ['short', false],
        ['a'.repeat(129), false],
        ['with spaces in it', false],
        ['<script>alert(1)</script>', false],
        ['id-and-\u00e9', false],
      ] as const) {
        const answer = await send([['X-Correlation-ID', sent]])
        const [seen = ''] = rawValues(lastArrival(), 'x-correlation-id')
        assert.equal(seen === sent, kept, sent)
        assert.match(seen, /^[A-Za-z0-9._-]{8,128}$/)
        assert.deepEqual(answer.headers.get('x-correlation-id'), [seen])
      }
      const twice = await send([
        ['X-Correlation-ID', 'first-of-two'],
        ['X-Correlation-ID', 'second-of-two'],
      ])
      const [seen = ''] = rawValues(lastArrival(), 'x-correlation-id')
      assert.match(seen, /^[A-Za-z0-9._-]{8,128}$/)
      assert.deepEqual(twice.headers.get('x-correlation-id'), [seen])
    },
  )

  await t.test('says where the request came from, whatever the browser says', async () => {
    await send([
      ['X-Forwarded-For', '203.0.113.9'],
      ['X-Forwarded-Proto', 'https'],
      ['X-Forwarded-Host', 'evil.example'],
      ['Forwarded', 'for=203.0.113.9'],
    ])
    const arrival = lastArrival()
    assert.deepEqual(rawValues(arrival, 'x-forwarded-for'), ['127.0.0.1'])
    assert.deepEqual(rawValues(arrival, 'x-forwarded-proto'), ['http'])
    assert.deepEqual(rawValues(arrival, 'x-forwarded-host'), [new URL(gateway.bff).host])
    assert.deepEqual(rawValues(arrival, 'host'), [new URL(echo.origin).host])
  })

  await t.test('says the same id in the access log, with token_found and the service', async () => {
    const response = await visitor.fetch(PATH)
    const id = response.headers.get('x-correlation-id')
    await response.arrayBuffer()
    const line = gateway.logs.find((log) => log.correlation_id === id && log.status === 200)
    assert.match(String(line?.message), /token_found=True service=analytics_service/)
    assert.equal(line?.route_id, 'api-analytics')
  })
})
