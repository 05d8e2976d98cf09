import assert from 'node:assert/strict'
import { createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { freePort } from '@audience-bridge/testkit/ports.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'

const PATH = '/api/v1/analytics/workflows'

/** A TCP server that answers whatever comes with these bytes. */
async function startTcp(t: TestContext) {
  const sockets = new Set<Socket>()
  const tcp = { answer: '', origin: '', connections: 0 }
  const server = createServer((socket) => {
    tcp.connections++
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    socket.once('data', () => socket.end(tcp.answer, 'latin1'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no address')
  tcp.origin = `http://127.0.0.1:${address.port}`
  return tcp
}

test('a backend that fails', async (t) => {
  const tcp = await startTcp(t)
  const slow = await startEcho(t)
  slow.intercept = () => true
  const gateway = await startGateway(t, {
    upstreams: {
      analytics_service: tcp.origin,
      crud_service: slow.origin,
      gone_service: `http://127.0.0.1:${await freePort()}`,
    },
    edits: {
      'BFF/config/routes.yaml': inOrder(
        replace(
          'CRUD_PORT:-8000}\n    timeout: 30',
          'CRUD_PORT:-8000}\n    timeout: 0.2\n  gone_service:\n    base_url: http://gone.example',
        ),
        (text) =>
          `${text}\n  - id: gone\n    path: /gone/*\n    target_service: gone_service\n    auth: none\n`,
      ),
    },
  })
  const member = await gateway.signedIn()
  const admin = await gateway.signedIn(USERS.admin)

  await t.test('to be there is UPSTREAM_UNREACHABLE', async () => {
    const problem = await assertProblem(await member.fetch('/gone/x'), 'UPSTREAM_UNREACHABLE')
    assert.equal(problem.service, 'gone_service')
    assert.ok(!JSON.stringify(problem).includes('127.0.0.1'), 'no address of ours is told')
    assert.ok(
      gateway.logs.some(
        ({ message, reason }) =>
          message === 'UPSTREAM_UNREACHABLE service=gone_service' && /REFUSED/.test(String(reason)),
      ),
    )
  })

  await t.test('to answer in time is UPSTREAM_TIMEOUT', async () => {
    const begun = performance.now()
    const problem = await assertProblem(
      await member.fetch('/api/crud/projects'),
      'UPSTREAM_TIMEOUT',
    )
    assert.equal(problem.service, 'crud_service')
    const elapsed = performance.now() - begun
    assert.ok(elapsed > 150 && elapsed < 900, `after ${elapsed} ms`)
  })

  const invalid: [string, string][] = [
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['a status that is none', 'HTTP/1.1 banana\r\n\r\n'],
    ['a header without a colon', 'HTTP/1.1 200 OK\r\nX-Broken\r\n\r\n'],
    ['a header with a NUL', 'HTTP/1.1 200 OK\r\nX-A: a\0b\r\n\r\n'],
    [
      'two framings',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello'],
    ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'],
    ['a head without end', `HTTP/1.1 200 OK\r\n${'X-A: aaaaaaaaaaaaaaaa\r\n'.repeat(5000)}`],
    ['an early hint for a final answer', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
  ]
  for (const [what, answer] of invalid) {
    await t.test(`to speak HTTP (${what}) is UPSTREAM_INVALID`, async () => {
      tcp.answer = answer
      const problem = await assertProblem(await member.fetch(PATH), 'UPSTREAM_INVALID')
      assert.equal(problem.service, 'analytics_service')
    })
  }

  await t.test(
    'by hanging up without a word is UPSTREAM_UNREACHABLE, for POST after one try',
    async () => {
      tcp.answer = ''
      await assertProblem(await member.fetch(PATH), 'UPSTREAM_UNREACHABLE')
      const before = tcp.connections
      const csrf = await member.csrfToken()
      const posted = await member.fetch(PATH, {
        method: 'POST',
        headers: { 'x-csrf-token': csrf },
        body: '{}',
      })
      await assertProblem(posted, 'UPSTREAM_UNREACHABLE')
      assert.equal(tcp.connections, before + 1, 'a POST is never sent twice')
    },
  )

  await t.test('does so for an administrator in the same words', async () => {
    const [forMember, forAdmin] = await Promise.all(
      [member, admin].map(async (who) =>
        assertProblem(await who.fetch('/gone/x'), 'UPSTREAM_UNREACHABLE'),
      ),
    )
    assert.deepEqual(Object.keys(forMember ?? {}), Object.keys(forAdmin ?? {}))
  })

  await t.test('to close keep-alive connections politely costs nobody a request', async () => {
    const echo = await startEcho(t)
    await gateway.restartBff({
      'BFF/config/routes.yaml': (text) =>
        `${text}\n  - id: second\n    path: /second/*\n    target_service: second_service\n    auth: none\n`.replace(
          'services:\n',
          `services:\n  second_service:\n    base_url: ${echo.origin}\n`,
        ),
    })
    let sockets: Socket[] = []
    echo.intercept = (req) => {
      sockets.push(req.socket)
      return false
    }
    for (let round = 0; round < 10; round++) {
      const response = await member.fetch('/second/x')
      assert.equal(response.status, 200)
      await response.arrayBuffer()
      // The connection dies while it lies idle in the pool.
      for (const socket of sockets) socket.destroy()
      sockets = []
    }
  })
})
