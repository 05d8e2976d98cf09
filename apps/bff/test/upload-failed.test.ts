import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { freePort } from '@audience-bridge/testkit/ports.ts'
import { openWire, startRawBackend } from './fast-world.ts'

/*
 * Found by the soak: who sent to a backend that failed destroyed the body, and with it the browser's
 * connection, where the next request had come already; or nobody read the rest, and it never came.
 */
test('a connection whose upload came to nothing serves the next request', async (t) => {
  const backend = await startRawBackend(t)
  const gateway = await startGateway(t, {
    upstreams: {
      analytics_service: backend.origin,
      crud_service: `http://127.0.0.1:${await freePort()}`,
    },
    edits: {
      'BFF/config/routes.yaml': inOrder(
        replace('timeout: 30', 'timeout: 2'),
        (text) => `${text}
  - { id: open, path: /open/*, target_service: analytics_service, auth: none }
  - { id: gone, path: /gone/*, target_service: crud_service, auth: none }
`,
      ),
    },
  })
  const host = `Host: ${new URL(gateway.bff).host}`
  const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
  const sizes = [10, 60_000, 900_000, 8_000_000]
  const chunked = (bytes: number) => `${bytes.toString(16)}\r\n${'x'.repeat(bytes)}\r\n0\r\n\r\n`

  for (const [how, path, status, talk] of [
    ['that is not there', '/gone/x', '502', () => {}],
    ['that dies at the head', '/open/x', '502', (_, socket) => void socket.destroy()],
    [
      'that dies amid the body',
      '/open/x',
      '502',
      (_, socket) => void setImmediate(() => socket.resetAndDestroy()),
    ],
    // Its answer may be lost with what it did not read.
    ['that answers at once and closes', '/open/x', '(200|502)', (_, socket) => void socket.end(OK)],
    ['that answers at once', '/open/x', '200', (_, socket) => void socket.write(OK)],
  ] as [string, string, string, typeof backend.talk][]) {
    for (const size of sizes) {
      for (const framing of ['a length', 'chunks']) {
        await t.test(`with a backend ${how}: ${size} bytes by ${framing}`, async (t) => {
          backend.talk = talk
          const wire = await openWire(t, gateway.bff)
          const frame =
            framing === 'chunks' ? 'Transfer-Encoding: chunked' : `Content-Length: ${size}`
          wire.write(`POST ${path} HTTP/1.1\r\n${host}\r\n${frame}\r\n\r\n`)
          wire.write(framing === 'chunks' ? chunked(size) : 'x'.repeat(size))
          await wire.expect(new RegExp(`^HTTP/1\\.1 ${status} [\\s\\S]*\r\n\r\n[\\s\\S]*(\\}|ok)`))
          backend.talk = (_, socket) => void socket.write(OK)
          wire.write(`GET /health HTTP/1.1\r\n${host}\r\n\r\n`)
          await wire.expect(/HTTP\/1\.1 200 [\s\S]*"ok"\}/)
          assert.equal(wire.closed, false)
        })
      }
    }
  }
})
