import assert from 'node:assert/strict'
import type { Http2ServerResponse } from 'node:http2'
import { test } from 'node:test'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { sendRaw } from '@audience-bridge/testkit/raw.ts'
import { startRawBackend } from './fast-world.ts'
import { startH2c, withServices } from './https-world.ts'

/*
 * RFC 9110 §6.5. Trailers of an answer reach who says that it looks at them; those of a request end here, as
 * §6.5.1 lets an intermediary do. The attack: a recipient that merges a trailer into the head would take
 * another length, another cookie or another origin from it.
 */
test('trailers', async (t) => {
  const backend = await startRawBackend(t)
  const h2 = await startH2c(t)
  const gateway = await startGateway(t, {
    edits: {
      'BFF/config/routes.yaml': withServices({
        one: [`base_url: ${backend.origin}`],
        two: [`base_url: ${h2.origin}`, 'http2: true'],
      }),
    },
  })
  const HOSTILE = [
    'Set-Cookie: a=1',
    'Access-Control-Allow-Origin: *',
    'Clear-Site-Data: "*"',
    'Content-Type: text/html',
    'X-Utf: \xff\xfe',
  ]
  let arrived = ''
  backend.talk = (bytes, socket) => {
    arrived += bytes.toString('latin1')
    if (!/\r\n\r\n/.test(arrived) || (/chunked/.test(arrived) && !/\r\n0\r\n\r\n$/.test(arrived)))
      return
    const trailer = ['X-Sum: 42', ...HOSTILE].map((line) => `${line}\r\n`).join('')
    socket.write(
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\n${trailer}\r\n`,
      'latin1',
    )
  }
  const ask = (path: string, lines: string[] = [], body = '') => {
    arrived = ''
    const head = [
      `${body === '' ? 'GET' : 'POST'} ${path} HTTP/1.1`,
      `Host: ${new URL(gateway.bff).host}`,
      ...lines,
    ]
    return sendRaw(gateway.bff, `${head.join('\r\n')}\r\n\r\n${body}`)
  }
  const trailersOf = ({ body }: { body: string }) =>
    body
      .slice(body.lastIndexOf('\r\n0\r\n') + 5)
      .split('\r\n')
      .filter(Boolean)

  await t.test('of an answer reach who asks for them, cleaned', async () => {
    const answer = await ask('/one/x', ['TE: trailers', 'Connection: close, TE'])
    assert.deepEqual(
      trailersOf(answer).filter((line) => !line.startsWith('x-utf')),
      ['x-sum: 42'],
    )
    assert.equal(answer.headers.get('x-sum'), undefined)
    assert.ok(!/\r\nTE:/i.test(arrived), 'of this hop alone')
  })
  await t.test('of an answer reach nobody else', async () => {
    for (const lines of [[], ['TE: gzip'], ['TE: trailersx']]) {
      assert.deepEqual(trailersOf(await ask('/one/x', ['Connection: close', ...lines])), [])
    }
  })
  await t.test(
    'of an HTTP/2 backend come the same way, and it is told that they are wanted',
    async () => {
      const seen: unknown[] = []
      h2.answer = (req, res) => {
        seen.push(req.headers.te)
        const answer = res as unknown as Http2ServerResponse
        answer.addTrailers({ 'grpc-status': '0', 'set-cookie': ['a=1'] })
        answer.end('hello')
      }
      const answer = await ask('/two/x', ['TE: trailers', 'Connection: close, TE'])
      assert.deepEqual(trailersOf(answer), ['grpc-status: 0'])
      assert.deepEqual(trailersOf(await ask('/two/x', ['Connection: close'])), [])
      assert.deepEqual(seen, ['trailers', undefined])
    },
  )
  await t.test('of a request end here, and never become headers', async () => {
    const lines = [
      'Transfer-Encoding: chunked',
      'Trailer: Authorization, X-User',
      'Connection: close',
    ]
    const chunks = '5\r\nhello\r\n0\r\nAuthorization: Bearer x\r\nX-User: root\r\n'
    assert.equal((await ask('/one/x', lines, `${chunks}\r\n`)).status, 200)
    // Framed by chunks, or by its length where all of it was there.
    assert.match(arrived, /hello(\r\n0\r\n\r\n)?$/)
    assert.doesNotMatch(arrived, /Bearer|root|Trailer/i)
    // One that would say again where the body ends: what has arrived is never completed.
    const twice = await ask('/one/x', lines, `${chunks}Content-Length: 1\r\n\r\n`)
    assert.equal(twice.status, 400)
    assert.doesNotMatch(arrived, /0\r\n\r\n/)
  })
})
