import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { Allowance } from '../src/proxy/allowance.ts'
import { Callers } from '../src/proxy/callers.ts'

/* One broken backend must not speak for our origin, and one caller must not take all connections. */

test('what a backend says of the whole origin', async (t) => {
  const echo = await startEcho(t)
  echo.respond = (_arrival, res) => {
    res.setHeader('content-type', 'text/html')
    res.setHeader('alt-svc', 'h3=":443"')
    res.setHeader('strict-transport-security', 'max-age=1')
    res.setHeader('service-worker-allowed', '/')
    res.setHeader('content-security-policy', "script-src 'unsafe-inline'")
    res.end('<script>steal()</script>')
  }
  const gateway = await startGateway(t, {
    upstreams: { crud_service: echo.origin, analytics_service: echo.origin },
    edits: {
      'BFF/config/routes.yaml': replace(
        '    path: /api/crud/*\n',
        '    path: /api/crud/*\n    serves_pages: true\n',
      ),
    },
  })
  const visitor = await gateway.signedIn()

  await t.test('is dropped, and its HTML runs no script in our origin', async () => {
    const { headers } = await visitor.fetch('/api/v1/analytics/workflows')
    // Several policies hold at once: the backend's own cannot loosen ours.
    assert.match(headers.get('content-security-policy') ?? '', /(^|, )sandbox$/)
    assert.equal(headers.get('x-content-type-options'), 'nosniff')
    for (const name of ['alt-svc', 'strict-transport-security', 'service-worker-allowed']) {
      assert.equal(headers.get(name), null, name)
    }
  })

  await t.test('is let through as a page only where the route says so', async () => {
    const { headers } = await visitor.fetch('/api/crud/page')
    assert.doesNotMatch(headers.get('content-security-policy') ?? '', /sandbox/)
    assert.equal(headers.get('alt-svc'), null)
  })
})

test('a caller has a bounded number of requests under way, and others are not touched', () => {
  const callers = new Callers(2)
  const first = callers.enter('slow')
  assert.ok(first && callers.enter('slow'))
  assert.equal(callers.enter('slow'), undefined)
  assert.ok(callers.enter('other'))
  first()
  assert.ok(callers.enter('slow'), 'one that ended makes room for one')
  assert.equal(callers.enter('slow'), undefined)
})

test('events about callers without a session come out of a small bucket', () => {
  const allowance = new Allowance(5)
  const taken = Array.from({ length: 100 }, () => allowance.take()).filter(Boolean)
  assert.ok(taken.length >= 5 && taken.length < 20, `${taken.length} of 100`)
})
