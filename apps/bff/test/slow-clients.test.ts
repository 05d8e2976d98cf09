import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { until } from '@audience-bridge/testkit/wait.ts'
import { startCopy, startService } from './upstreams-world.ts'

const STALL = ['stall_seconds: 0.4']

/** A client that reads only what it is told to. */
async function openClient(t: TestContext, origin: string, head: string) {
  const { port, host } = new URL(origin)
  const socket: Socket = connect(Number(port), '127.0.0.1')
  const client = { socket, closed: false, got: 0 }
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  socket.write(`${head.replace('HOST', host)}\r\n\r\n`)
  return client
}

for (const fast of [true, false]) {
  test(`a client that reads nothing of a large answer loses it, fast_path ${fast}`, async (t) => {
    const a = await startCopy(t, 'a')
    let left = false
    a.respond = (_req, res) => {
      res.once('close', () => {
        left = true
      })
      res.writeHead(200)
      const more = () => {
        while (!res.destroyed && res.write(Buffer.alloc(65_536)));
      }
      res.on('drain', more)
      more()
    }
    const { gateway } = await startService(t, [a], [], fast, STALL)
    const client = await openClient(t, gateway.bff, 'GET /open/x HTTP/1.1\r\nHost: HOST')
    client.socket.pause()
    await until('the backend to be left', () => left, 6_000)
  })

  test(`a client that waits is not slow, fast_path ${fast}`, async (t) => {
    const a = await startCopy(t, 'a')
    const { gateway, call } = await startService(t, [a], ['idle_timeout: 30'], fast, STALL)
    let begunAt = 0
    const enough = () => begunAt > 0 && performance.now() > begunAt + 1_500
    // A backend that thinks, then pauses within its answer; one that does not take the body.
    a.respond = (req, res) => {
      begunAt = performance.now()
      const wait = setInterval(() => {
        if (!enough()) return
        clearInterval(wait)
        req.resume()
        res.write('one ')
        const again = setTimeout(() => res.end('two'), 1_500)
        t.after(() => clearTimeout(again))
      }, 20)
      t.after(() => clearInterval(wait))
    }
    const got = await call('/open/x')
    assert.deepEqual([got.status, got.text], [200, 'one two'])
    begunAt = 0
    const posted = await call('/open/x', { method: 'POST', body: Buffer.alloc(8_000_000) })
    assert.deepEqual([posted.status, posted.text], [200, 'one two'])
    assert.ok(gateway.logs.every(({ message }) => message !== 'request failed'))
  })
}

for (const [what, dripMs] of [
  ['stops in the midst of its body', 1_000_000],
  ['sends a byte of its body now and then', 50],
] as const) {
  test(`a client that ${what} is cut off`, async (t) => {
    const a = await startCopy(t, 'a')
    let left = false
    a.respond = (req) => {
      req.resume().on('error', () => {})
      req.once('close', () => {
        left = true
      })
    }
    const { gateway, call } = await startService(t, [a], [], true, STALL)
    for (const path of ['/open/x', '/auth/backchannel-logout']) {
      const head = `POST ${path} HTTP/1.1\r\nHost: HOST\r\nContent-Length: 60000\r\nContent-Type: application/x-www-form-urlencoded`
      const { socket } = await openClient(t, gateway.bff, head)
      let closed = false
      socket.resume().on('close', () => {
        closed = true
      })
      socket.write('x'.repeat(100))
      const drip = setInterval(() => socket.write('x'), dripMs)
      t.after(() => clearInterval(drip))
      await until(`the end of ${path}`, () => closed, 6_000)
      clearInterval(drip)
    }
    await until('the backend to be left', () => left)
    a.respond = undefined
    assert.equal((await call()).status, 200)
  })
}

test('an upload that goes on is not cut off, however long it takes', async (t) => {
  const a = await startCopy(t, 'a')
  let bytes = 0
  a.respond = (req, res) => {
    req.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    req.on('end', () => res.end(String(bytes)))
  }
  const { call } = await startService(t, [a], [], true, STALL)
  let sent = 0
  const body = new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      controller.enqueue(new Uint8Array(4_000))
      if (++sent === 20) controller.close()
    },
  })
  const answer = await call('/open/x', { method: 'POST', body, duplex: 'half' } as RequestInit)
  assert.deepEqual([answer.status, answer.text], [200, '80000'])
})

test('a large upload has all the time it needs, a head has a minute', async (t) => {
  const a = await startCopy(t, 'a')
  const { gateway, call } = await startService(t, [a], [], false)
  const times = new Set<string>()
  const note = (message: unknown) => {
    const { request, server } = message as { request: IncomingMessage; server: Server }
    if (request.headers.host === new URL(gateway.bff).host) {
      times.add(`${server.requestTimeout} ${server.headersTimeout}`)
    }
  }
  subscribe('http.server.request.start', note)
  t.after(() => unsubscribe('http.server.request.start', note))
  await call()
  // Node's own: 5 minutes for a request, after which an honest upload would be cut off.
  assert.deepEqual([...times], ['0 60000'])
})
