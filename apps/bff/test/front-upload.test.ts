import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VISITOR_AGENT } from '@audience-bridge/testkit/raw.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { CODE, FRAME, FramePeer, frame } from './front-frames.ts'
import { ask, startSecure } from './front-world.ts'

const CANCEL = 8

const reset = (code: number) => (peer: FramePeer) => {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(code)
  peer.send(frame(FRAME.RST_STREAM, 0, 1, payload))
}

/*
 * The attack, or the accident: an upload of untold length is given up, and the gateway takes the end of
 * the stream for that of the body. The backend then keeps half a file as a whole one.
 */
test('an upload over HTTP/2 that is cut short never arrives as a whole one', async (t) => {
  const { origin, echo, session, visitor } = await startSecure(t)
  const { cookie } = visitor
  const url = new URL(origin)
  const own = await ask(session, { ':path': '/api/auth/session', cookie })
  const csrf = JSON.parse(own.body.toString()).csrf_token
  let ends: string[] = []
  let begun = 0
  echo.intercept = (req) => {
    begun++
    req.on('error', () => {}).resume()
    req.once('close', () => void ends.push(req.complete ? 'whole' : 'cut'))
    return true
  }
  const cuts: [how: string, cut: (peer: FramePeer) => void][] = [
    ['a reset without an error', reset(CODE.NO_ERROR)],
    ['a reset that cancels', reset(CANCEL)],
    ['the end of the connection', (peer) => peer.end()],
    ['the loss of the connection', (peer) => peer.destroy()],
  ]
  for (const length of [undefined, '1000']) {
    for (const [how, cut] of cuts) {
      await t.test(
        `by ${how}, ${length === undefined ? 'without' : 'with'} a length`,
        async (t) => {
          ends = []
          const before = begun
          const peer = (await FramePeer.connect(t, Number(url.port))).begin()
          peer.request(
            1,
            [
              [':method', 'POST'],
              [':scheme', 'https'],
              [':authority', url.host],
              [':path', '/api/crud/upload'],
              ['cookie', cookie],
              ['origin', origin],
              ['x-csrf-token', csrf],
              ['user-agent', VISITOR_AGENT],
              ...(length === undefined ? [] : [['content-length', length] as const]),
            ],
            0,
          )
          peer.send(frame(FRAME.DATA, 0, 1, Buffer.from('half of it')))
          await until('the backend has the first half', () => begun > before)
          cut(peer)
          await until('the backend knows', () => ends.length > 0)
          assert.deepEqual(ends, ['cut'])
        },
      )
    }
  }
})
