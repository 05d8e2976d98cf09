import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'

/*
 * The attack: the gateway authorises one reading of a path and the backend serves another. What could
 * be read in two ways is refused; what is one path in two spellings is one path.
 */

const P = '/api/v1/analytics'

/** Targets as they stand in the request line. */
const AMBIGUOUS = [
  // `/admin;a=1` is `/admin` to servers that cut path parameters off.
  `${P}/a;v=1`,
  `${P}/a%3bv=1`,
  `${P}/../../crud/projects`,
  `${P}/..`,
  `${P}/./workflows`,
  `${P}/.`,
  `${P}/%2e%2e/x`,
  `${P}/%2E%2E/x`,
  `${P}/.%2e/x`,
  `${P}/%2e/x`,
  `${P}/..;/x`,
  `${P}/..;a=1/x`,
  `${P}/.;/x`,
  `${P}/..%3b/x`,
  `${P}/..%3Ba=1/x`,
  `${P}/a%2fb`,
  `${P}/a%2Fb`,
  `${P}/..%2f..%2fcrud`,
  `${P}/a%5cb`,
  `${P}/a%5Cb`,
  `${P}/a\\b`,
  `${P}\\..\\x`,
  `/\\evil.example${P}`,
  `/${P}/workflows`,
  `${P}//workflows`,
  `//evil.example${P}/x`,
  `${P}/a%00b`,
  `${P}/a%0ab`,
  `${P}/a%0d%0aX-Injected:1`,
  `${P}/a%09b`,
  `${P}/a%1fb`,
  `${P}/a%7fb`,
  `${P}/%252e%252e/x`,
  `${P}/%252fx`,
  `${P}/%25252e`,
  `${P}/%255cx`,
  `${P}/a%2500b`,
  `${P}/a%`,
  `${P}/a%2`,
  `${P}/a%zz`,
  `${P}/a%u002f`,
  // Overlong or broken UTF-8: a lenient decoder reads `/`, `.` or `\` from these.
  `${P}/a%c0%afb`,
  `${P}/%c0%ae%c0%ae/x`,
  `${P}/a%e0%80%afb`,
  `${P}/a%c1%9cb`,
  `${P}/a%ffb`,
  `${P}/a%80`,
  `${P}/a"b`,
  `${P}/a<b`,
  `${P}/a{b}`,
  `${P}/a|b`,
  `${P}/a^b`,
  `${P}/a\`b`,
  `${P}/a[b]`,
  `${P}/a#b`,
  `${P}/a?b#c`,
  'http://evil.example/api/v1/analytics/x',
  '*',
]

/** One path, whatever its spelling; as the backend gets it. */
const PLAIN: [string, string][] = [
  [`${P}/workflows`, `${P}/workflows`],
  ['/%61pi/v1/analytics/workflows', `${P}/workflows`],
  [`${P}/work%66lows?a=%2e%2e%2f&b=//`, `${P}/workflows?a=%2e%2e%2f&b=//`],
  [`${P}/a%20b`, `${P}/a%20b`],
  [`${P}/%c3%a9`, `${P}/%C3%A9`],
  [`${P}/a%25b`, `${P}/a%25b`],
  [`${P}/...`, `${P}/...`],
  [`${P}/.hidden`, `${P}/.hidden`],
  [`${P}/a:b@c,d`, `${P}/a:b@c,d`],
  [`${P}/`, `${P}/`],
  [`${P}/?x`, `${P}/?x`],
  [`${P}/a?`, `${P}/a?`],
]

test('paths', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
  })
  const visitor = await gateway.signedIn()
  const ask = (target: string, method = 'GET') =>
    gateway.raw(method, target, [['Cookie', visitor.cookie]])

  await t.test('that can be read in two ways are refused before anything else', async () => {
    for (const target of AMBIGUOUS) {
      const answer = await ask(target)
      await assertProblem(answer, 'PATH_AMBIGUOUS').catch((cause: unknown) => {
        throw new Error(`GET ${target}: ${answer.status} ${answer.body}`, { cause })
      })
    }
    assert.deepEqual(echo.arrivals, [])
    // Neither does such a path reach an endpoint of ours, or our log.
    await assertProblem(await ask('/auth/../auth/login'), 'PATH_AMBIGUOUS')
    assert.ok(!JSON.stringify(gateway.logs).includes('evil.example'))
  })

  await t.test('with bytes that no request line may hold are refused', async () => {
    const bytes = ['\t', ' ', '\u0000', '\u007f', '\u00e9'].map((byte) => `${P}/a${byte}b`)
    for (const target of [...bytes, 'api/v1/analytics/x', '?x'])
      await assertProblem(await ask(target), 'BAD_REQUEST')
    assert.deepEqual(echo.arrivals, [])
  })

  await t.test('in another spelling are the same path', async () => {
    for (const [target, expected] of PLAIN) {
      echo.arrivals.length = 0
      assert.equal((await ask(target)).status, 200, target)
      assert.equal(echo.arrivals[0]?.url, expected)
    }
  })

  await t.test('that no route matches are not found, and never the console', async () => {
    for (const target of ['/api', '/api/', '/api/v1', '/api/nowhere', '/api/v1/analyticsx', P]) {
      await assertProblem(await ask(target), 'ROUTE_NOT_FOUND').catch((cause: unknown) => {
        throw new Error(target, { cause })
      })
    }
    for (const target of [
      '/nowhere',
      '/auth',
      '/API/v1/analytics/x',
      '/health/x',
      '/.well-known/x',
    ]) {
      await assertProblem(await ask(target), 'NOT_FOUND')
    }
  })

  await t.test('under our own prefixes are problems too when they cannot be read', async () => {
    for (const target of ['/auth/%c0%af', '/health/%ff', '/.well-known/%80']) {
      await assertProblem(await ask(target), 'PATH_AMBIGUOUS')
    }
  })

  await t.test('with a method that the route does not take are refused with Allow', async () => {
    for (const method of ['OPTIONS', 'TRACE', 'PROPFIND', 'QUERY']) {
      const answer = await ask('/api/crud/projects', method)
      await assertProblem(answer, 'METHOD_NOT_ALLOWED')
      assert.deepEqual(answer.headers.get('allow')?.join().split(', ').sort(), [
        'DELETE',
        'GET',
        'HEAD',
        'PATCH',
        'POST',
        'PUT',
      ])
    }
    // A route without `methods` takes the usual ones, and no others.
    await assertProblem(await ask(`${P}/x`, 'TRACE'), 'METHOD_NOT_ALLOWED')
    assert.equal((await ask(`${P}/x`, 'OPTIONS')).status, 200)
  })
})
