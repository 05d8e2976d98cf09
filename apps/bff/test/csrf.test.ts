import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'

/*
 * The attack: a page elsewhere makes the browser send a request with the user's cookie. It can choose
 * method, body and a few headers; it cannot read our token, and cannot forge Origin.
 */

const SPA = 'https://spa.example'
const PATH = '/api/crud/projects'

test('an unsafe request must prove that our own page sent it', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { crud_service: echo.origin },
    edits: {
      'BFF/config/settings.yaml': (text) => `${text}\ncors:\n  allow_origins: [${SPA}]\n`,
    },
  })
  const visitor = await gateway.signedIn()
  const own = await visitor.csrfToken()
  const others = await (await gateway.signedIn()).csrfToken()
  const send = (method: string, head: [string, string][], cookie = visitor.cookie) =>
    gateway.raw(method, PATH, [['Cookie', cookie], ...head], '{"name":"x"}')

  const forged: [string, [string, string][]][] = [
    ['without a token', []],
    ['with an empty token', [['X-CSRF-Token', '']]],
    ["with another session's token", [['X-CSRF-Token', others]]],
    ['with the beginning of the token', [['X-CSRF-Token', own.slice(0, -1)]]],
    ['with more than the token', [['X-CSRF-Token', `${own}0`]]],
    ['with the token in upper case', [['X-CSRF-Token', own.toUpperCase()]]],
    [
      'with two tokens',
      [
        ['X-CSRF-Token', others],
        ['X-CSRF-Token', own],
      ],
    ],
    ['with the token under another name', [['X-XSRF-Token', own]]],
    [
      'from another site, without an origin',
      [
        ['X-CSRF-Token', own],
        ['Sec-Fetch-Site', 'cross-site'],
      ],
    ],
  ]
  const foreign = [
    'https://evil.example',
    'null',
    gateway.bff.replace('http:', 'https:'),
    `${gateway.bff}.evil.example`,
  ]
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    await t.test(`${method} is refused, and nothing reaches the backend`, async () => {
      for (const [how, head] of forged) {
        await assertProblem(await send(method, head), 'CSRF_REJECTED').catch((cause: unknown) => {
          throw new Error(`${method} ${how}`, { cause })
        })
      }
      for (const origin of foreign) {
        const head: [string, string][] = [
          ['X-CSRF-Token', own],
          ['Origin', origin],
        ]
        await assertProblem(await send(method, head), 'ORIGIN_FORBIDDEN')
      }
      assert.deepEqual(echo.arrivals, [])
    })
  }

  await t.test('and passes when it does, with the token gone', async () => {
    for (const head of [
      [],
      [['Origin', gateway.bff]],
      [['Origin', SPA]],
      [['Sec-Fetch-Site', 'same-origin']],
      [
        ['Origin', gateway.bff],
        ['Sec-Fetch-Site', 'same-origin'],
      ],
    ] satisfies [string, string][][]) {
      echo.arrivals.length = 0
      const answer = await send('POST', [['X-CSRF-Token', own], ...head])
      assert.equal(answer.status, 200)
      assert.equal(echo.arrivals.length, 1)
      assert.equal(echo.arrivals[0]?.headers['x-csrf-token'], undefined)
    }
  })

  await t.test('a safe one need not, as long as no foreign page sends it', async () => {
    for (const method of ['GET', 'HEAD']) {
      const cookie: [string, string] = ['Cookie', visitor.cookie]
      assert.equal((await gateway.raw(method, PATH, [cookie])).status, 200)
      const foreign = await gateway.raw(method, PATH, [cookie, ['Origin', 'https://evil.example']])
      assert.equal(foreign.status, 403)
      assert.equal(foreign.headers.get('access-control-allow-origin'), undefined)
    }
  })

  await t.test('a session is asked for before the token', async () => {
    await assertProblem(await send('POST', [], 'other=1'), 'SESSION_REQUIRED')
  })

  await t.test('the refusal reaches an allowed page of another origin', async () => {
    const answer = await send('POST', [['Origin', SPA]])
    await assertProblem(answer, 'CSRF_REJECTED')
    assert.deepEqual(answer.headers.get('access-control-allow-origin'), [SPA])
    assert.deepEqual(answer.headers.get('access-control-allow-credentials'), ['true'])
  })

  await t.test(
    'a preflight is answered before any session, for allowed origins alone',
    async () => {
      const preflight = (origin: string) =>
        gateway.raw('OPTIONS', PATH, [
          ['Origin', origin],
          ['Access-Control-Request-Method', 'PUT'],
          ['Access-Control-Request-Headers', 'x-csrf-token'],
        ])
      echo.arrivals.length = 0
      const allowed = await preflight(SPA)
      assert.equal(allowed.status, 204)
      assert.deepEqual(allowed.headers.get('access-control-allow-origin'), [SPA])
      assert.match(allowed.headers.get('access-control-allow-methods')?.join() ?? '', /PUT/)
      assert.match(
        allowed.headers.get('access-control-allow-headers')?.join() ?? '',
        /X-CSRF-Token/i,
      )
      for (const origin of ['https://evil.example', 'null', `${SPA}.evil.example`, `${SPA}:8443`]) {
        const answer = await preflight(origin)
        await assertProblem(answer, 'ORIGIN_FORBIDDEN')
        assert.equal(answer.headers.get('access-control-allow-origin'), undefined)
      }
      assert.deepEqual(echo.arrivals, [])
    },
  )
})
