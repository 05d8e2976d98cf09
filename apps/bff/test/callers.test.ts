import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { inOrder } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startNodes } from '@audience-bridge/testkit/nodes.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { lazily, PATHS } from './minting.ts'

test('who leaves while a token is minted takes no place with them', async (t) => {
  const echo = await startEcho(t)
  const nodes = await startNodes(t, {
    count: 1,
    edits: {
      'BFF/config/settings.yaml': inOrder(lazily, (text) =>
        text.replace(/events:\n(?: .*\n)+/, ''),
      ),
      'BFF/config/routes.yaml': (text) =>
        text.replaceAll(/base_url: .*/g, `base_url: ${echo.origin}`),
    },
  })
  const [bff] = nodes.bffs
  assert.ok(bff)
  const who = await nodes.signedIn()
  nodes.idp.pause()
  const { hostname, port } = new URL(bff.origin)
  const leaving = await Promise.all(
    Array.from({ length: 150 }, async () => {
      const socket = connect(Number(port), hostname)
      socket.on('error', () => {})
      await once(socket, 'connect')
      const head = [
        `GET ${PATHS.analytics} HTTP/1.1`,
        `Host: ${new URL(who.bff).host}`,
        ...[`Cookie: ${who.cookie}`, 'User-Agent: node', '', ''],
      ]
      await new Promise<void>((resolve) => socket.write(head.join('\r\n'), () => resolve()))
      return socket
    }),
  )
  // All of them have been read when a later request is answered.
  await (await nodes.call(bff, who, '/health')).arrayBuffer()
  for (const socket of leaving) socket.destroy()
  await (await nodes.call(bff, who, '/health')).arrayBuffer()
  nodes.idp.resume()
  await until('the token', async () => {
    const response = await nodes.call(bff, who, PATHS.analytics)
    const body = await response.text()
    assert.ok(!body.includes('OVERLOADED'), body)
    return response.status === 200
  })
})
