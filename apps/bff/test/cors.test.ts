import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freePort } from '@audience-bridge/testkit/ports.ts'
import { type RawAnswer, rawRequest } from '@audience-bridge/testkit/raw.ts'
import { EDITS, SPA, startFrontends } from './frontends-world.ts'

type Head = [name: string, value: string][]

const CORS = 'access-control-allow-origin'

/** Every way in which the BFF answers, with the status of it for a page that may call. */
const ANSWERS: [what: string, status: number, method: string, path: string, head?: Head][] = [
  ["a backend's answer", 200, 'GET', '/api/v1/analytics/x'],
  ["a backend's answer to HEAD", 200, 'HEAD', '/api/v1/analytics/x'],
  ["a backend's 404", 404, 'GET', '/api/v1/analytics/missing'],
  ["a backend's redirect", 302, 'GET', '/api/v1/analytics/moved'],
  ['a backend that is away', 502, 'GET', '/away/x'],
  ['no session', 401, 'GET', '/api/v1/analytics/x', [['Cookie', '']]],
  ['no CSRF token', 403, 'POST', '/api/v1/analytics/x'],
  ['no token for the service', 401, 'GET', '/no-token/x'],
  ['no bearer token', 401, 'GET', '/bearer/x'],
  ['a route for everybody', 200, 'GET', '/open/x'],
  ['no route', 404, 'GET', '/api/nowhere'],
  ['a method that the route does not take', 405, 'DELETE', '/open/x'],
  ['a path with two readings', 400, 'GET', '/api/v1/analytics/%2e%2e/x'],
  ['OPTIONS that is no preflight', 200, 'OPTIONS', '/api/v1/analytics/x'],
  ['the session', 200, 'GET', '/api/auth/session'],
  ['a login', 302, 'GET', '/auth/login'],
  ['a login that goes astray', 400, 'GET', '/auth/login?return_to=//x'],
  ['a callback without a state', 400, 'GET', '/auth/callback'],
  ['a logout without its token', 403, 'POST', '/auth/logout'],
  ["a logout's page", 200, 'GET', '/auth/logout'],
  ['a page of an error', 400, 'GET', '/auth/callback', [['Accept', 'text/html']]],
  ['administration for a member', 403, 'GET', '/admin/config'],
  ['nothing of ours', 404, 'GET', '/auth/nowhere'],
  ['a method of ours that is not', 405, 'DELETE', '/auth/session'],
  [
    'a body of ours that is none',
    415,
    'POST',
    '/auth/logout',
    [
      ['Content-Type', 'x/y'],
      ['Content-Length', '0'],
    ],
  ],
  ['health', 200, 'GET', '/health'],
  ['keys', 200, 'GET', '/.well-known/jwks.json'],
]

const ROUTES = `
  - {id: away, path: '/away/*', target_service: away, auth: none}
  - {id: no-token, path: '/no-token/*', target_service: no_token, auth: session}
  - {id: bearer, path: '/bearer/*', target_service: crud_service, auth: bearer}
  - {id: open, path: '/open/*', target_service: crud_service, auth: none, methods: [GET]}
`

test('every answer is readable by the pages that may call, and refused to all others', async (t) => {
  const away = await freePort()
  const world = await startFrontends(t, {
    edits: {
      ...EDITS,
      'BFF/config/routes.yaml': (text) =>
        `${text.replace(
          'services:\n',
          `services:\n  away:\n    base_url: http://127.0.0.1:${away}\n  no_token:\n    base_url: http://x.example\n`,
        )}${ROUTES}`,
    },
  })
  const { gateway, echo, origins } = world
  echo.respond = ({ url }, res) => {
    if (url.endsWith('missing')) res.writeHead(404).end('{}')
    else if (url.endsWith('moved')) res.writeHead(302, { location: '/elsewhere' }).end()
    else res.writeHead(200, { 'access-control-allow-origin': '*', vary: 'Accept' }).end('{}')
  }
  const desk = await gateway.signedIn(undefined, origins.desk)
  const { port, host } = new URL(origins.desk)
  const ask = (method: string, path: string, head: Head): Promise<RawAnswer> => {
    const cookie: Head = head.some(([name]) => name === 'Cookie') ? [] : [['Cookie', desk.cookie]]
    const to = `http://127.0.0.1:${port}`
    return rawRequest(to, method, path, [...cookie, ...head], '', host)
  }

  for (const [what, status, method, path, head = []] of ANSWERS) {
    await t.test(what, async () => {
      const listed = await ask(method, path, [...head, ['Origin', SPA.desk]])
      assert.equal(listed.status, status, listed.body)
      assert.deepEqual(listed.headers.get(CORS), [SPA.desk])
      assert.deepEqual(listed.headers.get('access-control-allow-credentials'), ['true'])
      assert.match(listed.headers.get('vary')?.join(', ') ?? '', /\bOrigin\b/)
      assert.ok(listed.headers.get('x-correlation-id'))
      assert.match(
        listed.headers.get('access-control-expose-headers')?.join() ?? '',
        /X-Correlation-ID/,
      )

      const own = await ask(method, path, head)
      assert.equal(own.status, status)
      assert.equal(own.headers.get(CORS), undefined)
      // A cache must not keep it for the pages of other origins.
      assert.match(own.headers.get('vary')?.join(', ') ?? '', /\bOrigin\b/)

      const ambiguous = status === 400 && path.includes('%2e')
      for (const origin of [
        SPA.first,
        SPA.shop,
        origins.first,
        'https://evil.example',
        `${SPA.desk}.evil.example`,
        `${SPA.desk}:8443`,
        SPA.desk.toUpperCase(),
        'null',
        '',
        '*',
      ]) {
        const foreign = await ask(method, path, [...head, ['Origin', origin]])
        assert.equal(foreign.status, ambiguous ? 400 : 403, `${origin}: ${foreign.body}`)
        assert.equal(foreign.headers.get(CORS), undefined)
        assert.equal(foreign.headers.get('set-cookie'), undefined)
        if (ambiguous || method === 'HEAD') continue
        const { title, code } = JSON.parse(foreign.body) as Record<string, string>
        assert.deepEqual([title, code], ['Forbidden origin', 'ORIGIN_FORBIDDEN'])
      }
    })
  }

  await t.test('two origins are none', async () => {
    const both: Head = [
      ['Origin', SPA.desk],
      ['Origin', SPA.desk],
    ]
    assert.equal((await ask('GET', '/api/auth/session', both)).status, 403)
  })

  await t.test('preflights are answered for each frontend apart, before any session', async () => {
    const preflight = (to: string, origin: string, path: string) =>
      rawRequest(
        `http://127.0.0.1:${port}`,
        'OPTIONS',
        path,
        [
          ['Origin', origin],
          ['Access-Control-Request-Method', 'PUT'],
        ],
        '',
        new URL(to).host,
      )
    for (const path of ['/api/v1/analytics/x', '/auth/logout', '/api/nowhere', '/']) {
      for (const [name, to] of Object.entries(origins)) {
        for (const [of, origin] of Object.entries(SPA)) {
          const answer = await preflight(to, origin, path)
          assert.equal(answer.status, of === name ? 204 : 403, `${of} at ${name}`)
          assert.deepEqual(answer.headers.get(CORS), of === name ? [origin] : undefined)
        }
      }
    }
  })

  await t.test('a listed page of another site is told why its cookie does not come', async () => {
    const head: Head = [
      ['Cookie', ''],
      ['Origin', SPA.desk],
      ['Sec-Fetch-Site', 'cross-site'],
    ]
    for (const path of ['/api/v1/analytics/x', '/api/auth/session', '/auth/logout']) {
      const answer = await ask('GET', path, head)
      assert.equal(answer.status, 403)
      assert.deepEqual(answer.headers.get(CORS), [SPA.desk], 'and can read it')
      assert.match(answer.body, /ORIGIN_FORBIDDEN.*another site/)
    }
    for (const path of ['/open/x', '/health']) {
      assert.equal((await ask('GET', path, head)).status, 200, 'where no cookie is needed')
    }
  })
})
