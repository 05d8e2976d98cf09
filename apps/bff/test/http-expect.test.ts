import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { openWire } from './fast-world.ts'

/*
 * RFC 9110 §10.1.1. The attack: a client without a session that is asked for its body all the same costs
 * what its upload costs; and what it sends behind an answer, body or request, must not be mistaken.
 */
test('Expect: 100-continue', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin },
    edits: {
      'BFF/config/routes.yaml': (text) =>
        `${text}\n  - { id: open, path: /open/*, target_service: analytics_service, auth: none }\n`,
    },
  })
  const member = await gateway.signedIn()
  const csrf = await member.csrfToken()
  const { host } = new URL(gateway.bff)
  const head = (path: string, ...lines: string[]) =>
    `${[`POST ${path} HTTP/1.1`, `Host: ${host}`, 'User-Agent: node', 'Content-Length: 5', ...lines].join('\r\n')}\r\n\r\n`
  const EXPECT = 'Expect: 100-continue'
  const session = [`Cookie: ${member.cookie}`, `X-CSRF-Token: ${csrf}`, `Origin: ${gateway.bff}`]

  await t.test('is answered once who asks is known, and the connection goes on', async (t) => {
    for (const lines of [[EXPECT], ['Expect: 100-Continue'], ['Transfer-Encoding: none']]) {
      if (lines[0]?.startsWith('Transfer')) continue
      const wire = await openWire(t, gateway.bff)
      for (let round = 0; round < 2; round++) {
        const before = echo.arrivals.length
        wire.write(head('/api/v1/analytics/x', ...session, ...lines))
        assert.equal(
          await wire.expect(/^HTTP\/1\.1 100 Continue\r\n\r\n/),
          'HTTP/1.1 100 Continue\r\n\r\n',
        )
        assert.equal(wire.got, '')
        wire.write('hello')
        await wire.expect(/HTTP\/1\.1 200 OK[\s\S]*"body":"hello"/)
        const arrival = echo.arrivals.at(-1)
        assert.equal(echo.arrivals.length, before + 1)
        assert.equal(arrival?.body, 'hello')
        assert.equal(arrival?.headers.expect, undefined)
        wire.got = ''
      }
    }
  })

  await t.test('is refused first, and ends the connection', async (t) => {
    const before = echo.arrivals.length
    for (const [path, lines, status] of [
      ['/api/v1/analytics/x', [], 401],
      ['/api/v1/analytics/x', [`Cookie: ${member.cookie}`, `Origin: ${gateway.bff}`], 403],
      ['/api/v1/analytics/%2e%2e/x', session, 400],
      ['/api/nowhere', session, 404],
    ] as const) {
      const wire = await openWire(t, gateway.bff)
      wire.write(head(path, ...lines, EXPECT))
      const answer = await wire.expect(/^HTTP\/1\.1 \d+[\s\S]*?\r\n\r\n/)
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `))
      assert.match(answer, /Connection: close/i)
      await until('the end of the connection', () => wire.closed)
    }
    // Body or request: nobody here could tell.
    const wire = await openWire(t, gateway.bff)
    wire.write(
      `${head('/api/v1/analytics/x', EXPECT)}GET /open/smuggled HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    )
    await until('the end of the connection', () => wire.closed)
    assert.equal(wire.got.match(/HTTP\/1\.1 /g)?.length, 1)
    assert.equal(echo.arrivals.length, before)
  })

  await t.test('is not waited for by who has sent the body already', async (t) => {
    const wire = await openWire(t, gateway.bff)
    wire.write(`${head('/open/x', EXPECT)}hello`)
    await wire.expect(/HTTP\/1\.1 200 OK[\s\S]*"body":"hello"/)
  })

  await t.test('means nothing without a body, or from HTTP/1.0', async (t) => {
    const wire = await openWire(t, gateway.bff)
    wire.write(`GET /open/x HTTP/1.1\r\nHost: ${host}\r\n${EXPECT}\r\n\r\n`)
    assert.match(await wire.expect(/^HTTP\/1\.1 \d+/), /200/)
    const old = await openWire(t, gateway.bff)
    old.write(
      `POST /open/x HTTP/1.0\r\nHost: ${host}\r\nContent-Length: 5\r\n${EXPECT}\r\n\r\nhello`,
    )
    assert.match(await old.expect(/^HTTP\/1\.1 \d+/), /200/)
  })

  await t.test('is the only thing that may be expected', async (t) => {
    const before = echo.arrivals.length
    for (const value of ['200-ok', '100-continue, x=y', '100-continue;q=1', 'x100-continue']) {
      const wire = await openWire(t, gateway.bff)
      wire.write(head('/open/x', `Expect: ${value}`))
      const answer = await wire.expect(/^HTTP\/1\.1 [\s\S]*EXPECTATION_FAILED[\s\S]*\}/)
      assert.match(answer, /^HTTP\/1\.1 417 /)
      await until('the end of the connection', () => wire.closed)
    }
    assert.equal(echo.arrivals.length, before)
  })

  await t.test('is understood by our own endpoints', async (t) => {
    const wire = await openWire(t, gateway.bff)
    wire.write(head('/auth/logout', EXPECT))
    await wire.expect(/^HTTP\/1\.1 100 Continue\r\n\r\n/)
    wire.write('hello')
    await wire.expect(/HTTP\/1\.1 \d{3} /)
  })
})
