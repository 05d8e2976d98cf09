import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import type { RawAnswer } from '@audience-bridge/testkit/raw.ts'

const CORS_ORIGIN = 'https://spa.example'

/** A backend whose answer each case writes; gives what the browser then gets. */
async function startBackend(t: TestContext) {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: `${echo.origin}/base` },
    edits: {
      'BFF/config/settings.yaml': (text) => `${text}\ncors:\n  allow_origins: [${CORS_ORIGIN}]\n`,
      'BFF/config/routes.yaml': (text) =>
        `${text}\n  - id: open\n    path: /open/*\n    target_service: crud_service\n    upstream_path: /{path}\n    auth: none\n`,
    },
  })
  const visitor = await gateway.signedIn()
  const ask = (
    answer: { status?: number; head: [string, string][]; body?: string },
    path = '/api/v1/analytics/x',
    method = 'GET',
    head: [string, string][] = [],
  ): Promise<RawAnswer> => {
    echo.respond = (_, res) => {
      res.writeHead(answer.status ?? 200, answer.head.flat())
      res.end(answer.body)
    }
    return gateway.raw(method, path, [['Cookie', visitor.cookie], ...head])
  }
  return { echo, gateway, ask }
}

test('what comes back from a backend', async (t) => {
  const { echo, gateway, ask } = await startBackend(t)
  const { sessionName, loggedOutName, loginPrefix } = gateway.config().frontends.first.cookies

  await t.test('keeps its own cookies and loses those that are ours', async () => {
    const theirs = ['theirs=1; Path=/', `x${sessionName}=2`, `other=${sessionName}=3`]
    const { headers } = await ask({
      head: [
        ...theirs.map((value): [string, string] => ['Set-Cookie', value]),
        ['Set-Cookie', `${sessionName}=stolen; Path=/; Secure`],
        ['set-cookie', `${sessionName}=; Max-Age=0`],
        ['SET-COOKIE', ` ${sessionName} = spaced`],
        ['Set-Cookie', `\t${sessionName}=tab`],
        ['Set-Cookie', `${loggedOutName}=1`],
        ['Set-Cookie', `${loginPrefix}abcdef=1`],
        // A cookie without a name is sent back as its value: as a pair that is ours.
        ['Set-Cookie', `=${sessionName}=nameless; Path=/`],
        ['Set-Cookie', ` = ${sessionName}=nameless`],
        ['Set-Cookie', `==${sessionName}=nameless`],
      ],
    })
    assert.deepEqual(headers.get('set-cookie'), theirs)
  })

  await t.test('says nothing of who may read it: that is the gateway’s to say', async () => {
    const head: [string, string][] = [
      ['Access-Control-Allow-Origin', '*'],
      ['Access-Control-Allow-Credentials', 'true'],
      ['access-control-expose-headers', '*'],
      ['Access-Control-Max-Age', '86400'],
    ]
    for (const [origin, allowed] of [
      [undefined, undefined],
      ['https://evil.example', undefined],
      [CORS_ORIGIN, CORS_ORIGIN],
    ] as const) {
      const { headers } = await ask(
        { head },
        '/api/v1/analytics/x',
        'GET',
        origin === undefined ? [] : [['Origin', origin]],
      )
      const control = [...headers.keys()].filter((name) => name.startsWith('access-control-'))
      assert.deepEqual(headers.get('access-control-allow-origin'), allowed && [allowed])
      assert.equal(control.length > 0, allowed !== undefined)
      assert.notDeepEqual(headers.get('access-control-expose-headers'), ['*'])
      if (allowed) assert.ok(headers.get('vary')?.join().includes('Origin'))
    }
  })

  await t.test('is for this user alone wherever a session paid for it', async () => {
    for (const [sent, got] of [
      [undefined, 'private'],
      ['max-age=60', 'max-age=60, private'],
      ['private', 'private'],
      ['no-store', 'no-store'],
      ['no-cache, PRIVATE', 'no-cache, PRIVATE'],
      ['public, max-age=60', 'public, max-age=60'],
      ['s-maxage=60', 's-maxage=60'],
      ['max-age=60, x="private"', 'max-age=60, x="private", private'],
    ] as const) {
      const { headers } = await ask({ head: sent === undefined ? [] : [['Cache-Control', sent]] })
      assert.equal(headers.get('cache-control')?.join(', '), got)
    }
    const open = await ask({ head: [['Cache-Control', 'max-age=60']] }, '/open/x')
    assert.deepEqual(open.headers.get('cache-control'), ['max-age=60'])
  })

  await t.test('names places as the browser knows them', async () => {
    const inside = echo.origin
    for (const [path, location, expected] of [
      ['/api/v1/analytics/x', '/api/v1/analytics/y?q=1#f', '/api/v1/analytics/y?q=1#f'],
      ['/api/v1/analytics/x', `${inside}/api/v1/analytics/y`, '/api/v1/analytics/y'],
      [
        '/api/v1/analytics/x',
        `//${new URL(inside).host}/api/v1/analytics/y`,
        '/api/v1/analytics/y',
      ],
      ['/api/v1/analytics/x', 'y/z', 'y/z'],
      ['/api/v1/analytics/x', '?page=2', '?page=2'],
      ['/api/v1/analytics/x', 'https://elsewhere.example/a', 'https://elsewhere.example/a'],
      ['/api/v1/analytics/x', '//elsewhere.example/a', '//elsewhere.example/a'],
      ['/api/crud/projects', '/base/api/projects/7', '/api/crud/projects/7'],
      ['/api/crud/projects', `${inside}/base/api/projects/7?q=%20`, '/api/crud/projects/7?q=%20'],
    ] as const) {
      const { headers } = await ask({ status: 302, head: [['Location', location]] }, path)
      assert.deepEqual(headers.get('location'), [expected], location)
    }
    // No address of ours leads there: at least the internal one is not given away.
    const lost = await ask({ status: 302, head: [['Location', `${inside}/internal`]] })
    assert.ok(!lost.headers.get('location')?.join().includes(new URL(inside).host))
    const created = await ask(
      { status: 201, head: [['Content-Location', `${inside}/api/v1/analytics/y`]] },
      '/api/v1/analytics/x',
    )
    assert.deepEqual(created.headers.get('content-location'), ['/api/v1/analytics/y'])
  })

  await t.test('loses what is said to one hop, and what would reach into our origin', async () => {
    const { headers } = await ask({
      head: [
        ['Connection', 'close, X-Hop'],
        ['X-Hop', '1'],
        ['Keep-Alive', 'timeout=9'],
        ['Proxy-Authenticate', 'Basic'],
        ['Clear-Site-Data', '"*"'],
        ['X-Correlation-ID', 'of-the-backend'],
        ['ETag', '"a"'],
        ['X-Own', 'kept'],
      ],
    })
    for (const gone of ['x-hop', 'proxy-authenticate', 'clear-site-data']) {
      assert.equal(headers.get(gone), undefined, gone)
    }
    assert.deepEqual(headers.get('etag'), ['"a"'])
    assert.deepEqual(headers.get('x-own'), ['kept'])
    assert.equal(headers.get('x-correlation-id')?.length, 1)
    assert.notEqual(headers.get('x-correlation-id')?.[0], 'of-the-backend')
  })

  await t.test('may have no body, and any status', async () => {
    for (const [method, status, head, body] of [
      ['HEAD', 200, [['Content-Length', '123']], ''],
      ['GET', 204, [], ''],
      ['GET', 304, [['ETag', '"a"']], ''],
      ['GET', 404, [], 'not here'],
      ['GET', 418, [], 'teapot'],
      ['GET', 500, [], '{"error":1}'],
      ['GET', 503, [['Retry-After', '7']], ''],
    ] satisfies [string, number, [string, string][], string][]) {
      const answer = await ask({ status, head, body }, '/api/v1/analytics/x', method)
      assert.equal(answer.status, status)
      for (const [name, value] of head) {
        assert.deepEqual(answer.headers.get(name.toLowerCase()), [value])
      }
      if (body === '') assert.equal(answer.body.replace('0\r\n\r\n', ''), '')
      else assert.ok(answer.body.includes(body))
    }
  })
})

test('a cookie domain changes which cookies are ours', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin },
    edits: {
      'BFF/config/settings.yaml': replace(
        '  idle_seconds: 1800',
        '  cookie_domain: localhost\n  idle_seconds: 1800',
      ),
    },
  })
  const visitor = await gateway.signedIn()
  const { sessionName } = gateway.config().frontends.first.cookies
  assert.match(sessionName, /^bff_session_\d+$/)
  echo.respond = (_, res) => {
    res.writeHead(200, { 'set-cookie': [`${sessionName}=x`, `=${sessionName}=x`, 'theirs=1'] })
    res.end()
  }
  const response = await visitor.fetch('/api/v1/analytics/x')
  assert.deepEqual(response.headers.getSetCookie(), ['theirs=1'])
})
