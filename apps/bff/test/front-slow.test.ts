import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VISITOR_AGENT } from '@audience-bridge/testkit/raw.ts'
import { block, END_HEADERS, FRAME, FramePeer, frame } from './front-frames.ts'
import { ask, startSecure } from './front-world.ts'

test('HTTP/2 peers that read or send nothing, and answers that it cannot carry', async (t) => {
  const { echo, origin, gateway, session, visitor } = await startSecure(t)
  gateway.reconfigure({
    'BFF/config/settings.yaml': (text) =>
      text
        .replace(/^ {2}stall_seconds:.*\n/m, '')
        .replace(/^server:\n/m, 'server:\n  stall_seconds: 1\n'),
  })
  const port = Number(new URL(origin).port)
  const { cookie } = visitor
  const fields = (method: string, path: string, ...more: [string, string][]) =>
    [
      [':method', method],
      [':scheme', 'https'],
      [':authority', `localhost:${port}`],
      [':path', path],
      ['user-agent', VISITOR_AGENT],
      ['cookie', cookie],
      ...more,
    ] as [string, string][]

  for (const path of ['/api/crud/small', '/health']) {
    await t.test(`a window of zero holds no answer: ${path}`, async () => {
      const client = (await FramePeer.connect(t, port)).begin()
      // SETTINGS_INITIAL_WINDOW_SIZE: 0.
      client.send(frame(FRAME.SETTINGS, 0, 0, Buffer.of(0, 4, 0, 0, 0, 0)))
      client.request(1, fields('GET', path))
      await client.got(FRAME.HEADERS, 1)
      await client.fault(1)
    })
  }

  await t.test('an upload of next to nothing is cut off', async () => {
    const own = await ask(session, { ':path': '/api/auth/session', cookie })
    const csrf = JSON.parse(own.body.toString()).csrf_token
    const client = (await FramePeer.connect(t, port)).begin()
    const post = fields('POST', '/api/crud/items', ['origin', origin], ['x-csrf-token', csrf])
    client.send(frame(FRAME.HEADERS, END_HEADERS, 1, block(post)))
    client.send(frame(FRAME.DATA, 0, 1, Buffer.from('x')))
    await client.fault(1)
  })

  await t.test('a field that comes twice from a backend ends nothing', async () => {
    const twice = ['etag', 'date', 'age', 'location', 'content-type', 'x-content-type-options']
    for (const name of twice) {
      echo.intercept = (_, res) => {
        res.writeHead(200, [
          name,
          'a',
          name,
          'b',
          'trailer',
          'x-sum',
          'transfer-encoding',
          'chunked',
        ])
        res.addTrailers([
          [name, 'a'],
          [name, 'b'],
          ['x-sum', '1'],
        ])
        res.end('whole')
        return true
      }
      for (const te of [{}, { te: 'trailers' }]) {
        const answer = await ask(session, { ':path': '/api/crud/twice', cookie, ...te })
        assert.deepEqual([answer.status, answer.body.toString()], [200, 'whole'], name)
      }
    }
    echo.intercept = undefined
  })
})
