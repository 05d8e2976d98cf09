import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replace } from '@audience-bridge/testkit/config-copy.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { startSockets } from './websocket-world.ts'

// The route's timeout is 30 s: a stop that waited for it would be killed by whatever ordered it.
test('a stop waits for a silent handshake no longer than server.drain_seconds', async (t) => {
  const { echo, gateway, refused } = await startSockets(t, {
    edits: { 'BFF/config/settings.yaml': replace('server:\n', 'server:\n  drain_seconds: 1\n') },
  })
  let asked = false
  echo.intercept = (_req, socket) => {
    socket.resume()
    asked = true
    return true
  }
  const waiting = refused('/api/ws/x')
  const over = assert.rejects(waiting)
  await until('the handshake at the backend', () => asked)
  const stoppedAt = performance.now()
  await gateway.drainBff()
  const took = performance.now() - stoppedAt
  assert.ok(took > 900 && took < 5000, `${took} ms`)
  await over
})
