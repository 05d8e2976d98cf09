import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { openWire, slowRequests, startRawBackend } from './fast-world.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

async function startWorld(t: TestContext) {
  const backend = await startRawBackend(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: backend.origin, crud_service: backend.origin },
    edits: {
      'BFF/config/routes.yaml': inOrder(
        replace('timeout: 30', 'timeout: 1'),
        (text) =>
          `${text}\n  - id: open\n    path: /open/*\n    target_service: analytics_service\n    auth: none\n  - id: calm\n    path: /calm/*\n    target_service: crud_service\n    auth: none\n`,
      ),
    },
  })
  const slow = slowRequests(t, gateway.bff)
  t.beforeEach(() => {
    slow.length = 0
    backend.talk = (_, socket) => void socket.write(OK)
  })
  const host = `Host: ${new URL(gateway.bff).host}`
  const get = (path = '/open/x', ...lines: string[]) =>
    `${[`GET ${path} HTTP/1.1`, host, ...lines].join('\r\n')}\r\n\r\n`
  return { backend, gateway, slow, host, get }
}

test('an answer that belongs to nobody', async (t) => {
  const { backend, gateway, get, slow } = await startWorld(t)

  /*
   * The attack (response queue poisoning): a backend is brought to send two answers to one request;
   * whoever comes next on that connection would get the second one, with another user's data.
   */
  for (const [how, second] of [
    ['in one piece', (socket: Socket) => void socket.write(`${OK}HTTP/1.1 200 OK\r\n\r\nevil`)],
    [
      'a moment later',
      (socket: Socket) =>
        void socket.write(OK, () => setImmediate(() => socket.write(OK.replace('ok', 'no')))),
    ],
  ] as const) {
    await t.test(`is given to nobody: ${how}`, async (t) => {
      let dropped = false
      backend.talk = (_, socket) => {
        second(socket)
        socket.once('close', () => {
          dropped = true
        })
      }
      const first = await openWire(t, gateway.bff)
      first.write(get())
      await first.expect(/200 OK[\s\S]*ok$/)
      await until('the end of that connection', () => dropped)
      backend.talk = (_, socket) => void socket.write(OK.replace('ok', 'hi'))
      for (let i = 0; i < 5; i++) {
        const next = await openWire(t, gateway.bff)
        next.write(get())
        await next.expect(/200 OK[\s\S]*hi$/)
      }
      assert.deepEqual(slow, [])
    })
  }

  await t.test('with a body that HEAD does not have is not the next one', async (t) => {
    backend.talk = (_, socket) => void socket.write(OK)
    const wire = await openWire(t, gateway.bff)
    wire.write(get().replace('GET', 'HEAD'))
    await wire.expect(/200 OK[\s\S]*Content-Length: 2[\s\S]*\r\n\r\n$/)
    backend.talk = (_, socket) => void socket.write(OK.replace('ok', 'hi'))
    wire.write(get())
    await wire.expect(/200 OK[\s\S]*hi$/)
    assert.equal(wire.got, '')
  })
})

test('connections to backends', async (t) => {
  const { backend, gateway, get, slow } = await startWorld(t)

  await t.test('are used again', async (t) => {
    const wire = await openWire(t, gateway.bff)
    const before = backend.connections
    for (let i = 0; i < 5; i++) {
      wire.write(get())
      await wire.expect(/200 OK[\s\S]*ok$/)
    }
    assert.ok(backend.connections <= before + 1)
  })

  await t.test('are not used again when the backend says so', async (t) => {
    const wire = await openWire(t, gateway.bff)
    backend.talk = (_, socket) => void socket.write(OK.replace('\r\n', '\r\nConnection: close\r\n'))
    wire.write(get())
    await wire.expect(/200 OK[\s\S]*ok$/)
    const before = backend.connections
    wire.write(get())
    await wire.expect(/200 OK[\s\S]*ok$/)
    assert.equal(backend.connections, before + 1)
  })

  await t.test('that close while they lie idle cost nobody a request', async (t) => {
    const wire = await openWire(t, gateway.bff)
    for (let i = 0; i < 10; i++) {
      // It says nothing and closes right behind its answer.
      backend.talk = (_, socket) => void socket.end(OK)
      wire.write(get())
      await wire.expect(/200 OK[\s\S]*ok$/)
    }
    assert.deepEqual(slow, [])
  })

  await t.test('are closed when the browser leaves', async (t) => {
    let closed = false
    backend.talk = (_, socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\nx')
      socket.once('close', () => {
        closed = true
      })
    }
    const wire = await openWire(t, gateway.bff)
    wire.write(get())
    await wire.expect(/x/)
    wire.socket.destroy()
    await until('the end at the backend', () => closed)
    await until('the access line', () =>
      gateway.logs.some(({ aborted, route_id }) => aborted === true && route_id === 'open'),
    )
  })

  await t.test('that fall silent amid an answer are cut, and so is the answer', async (t) => {
    backend.talk = (_, socket) =>
      void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
    const wire = await openWire(t, gateway.bff)
    wire.write(get())
    await wire.expect(/half/)
    await until('the end of the connection', () => wire.closed)
    assert.ok(gateway.logs.some(({ message }) => message === 'response cut short'))
  })

  await t.test('that never answer are a 504 of the gateway', async () => {
    backend.talk = () => {}
    const problem = await assertProblem(await fetch(`${gateway.bff}/open/x`), 'UPSTREAM_TIMEOUT')
    assert.equal(problem.service, 'analytics_service')
    const line = gateway.logs.find(({ problem: code }) => code === 'UPSTREAM_TIMEOUT')
    assert.ok(Number(line?.elapsed_ms) >= 1000, 'counted from when the request came')
    assert.equal(line?.correlation_id, problem.correlation_id)
  })
})

test('connections of browsers', async (t) => {
  const { backend, gateway, get, slow, host } = await startWorld(t)

  await t.test('may bring a head in pieces', async (t) => {
    const wire = await openWire(t, gateway.bff)
    const text = get()
    for (const piece of [text.slice(0, 3), text.slice(3, 30), text.slice(30)]) {
      wire.write(piece)
      await new Promise(setImmediate)
    }
    await wire.expect(/200 OK[\s\S]*ok$/)
  })

  await t.test('with a head that does not become whole are the HTTP server’s', async (t) => {
    const wire = await openWire(t, gateway.bff)
    const text = get('/open/slow')
    wire.write(text.slice(0, 20))
    // Longer than the fast path waits: what comes then must be read all the same.
    await new Promise((resolve) => setTimeout(resolve, 800))
    wire.write(text.slice(20))
    await wire.expect(/200 OK[\s\S]*ok$/)
    assert.deepEqual(slow, ['GET /open/slow'])
  })

  await t.test('that bring a byte at a time are the HTTP server’s soon', async (t) => {
    const wire = await openWire(t, gateway.bff)
    for (const byte of get('/open/drip')) {
      wire.write(byte)
      await new Promise(setImmediate)
    }
    await wire.expect(/200 OK[\s\S]*ok$/)
  })

  await t.test('that do not read hold the backend back, and not our memory', async (t) => {
    let sent = 0
    const block = Buffer.alloc(65_536, 'x')
    backend.talk = (_, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${4096 * block.length}\r\n\r\n`)
      const more = () => {
        while (sent < 4096 * block.length) {
          sent += block.length
          if (!socket.write(block)) return void socket.once('drain', more)
        }
      }
      more()
    }
    const wire = await openWire(t, gateway.bff)
    wire.socket.pause()
    wire.write(get())
    let last = -1
    await until('the backend to be held back', async () => {
      const before = last
      last = sent
      await new Promise((resolve) => setTimeout(resolve, 200))
      return sent === last && before === last && sent > 0
    })
    assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes were taken for nobody`)
    const read = once(wire.socket, 'data')
    wire.socket.resume()
    await read
    await until('the backend to go on', () => sent > last)
  })

  await t.test('are closed where the browser asks for it', async (t) => {
    const wire = await openWire(t, gateway.bff)
    wire.write(get('/open/x', 'Connection: close'))
    await wire.expect(/Connection: close[\s\S]*ok$/)
    await until('the end of the connection', () => wire.closed)
    assert.deepEqual(slow, [])
  })

  await t.test('may end their side at any moment', async (t) => {
    for (const answer of ['', 'nonsense\r\n\r\n', OK]) {
      let answered = false
      backend.talk = (_, socket) => {
        answered = true
        setImmediate(() => socket.end(answer))
      }
      const wire = await openWire(t, gateway.bff)
      wire.write(get())
      wire.socket.end()
      await until('the end of the connection', () => wire.closed)
      await until('the request at the backend', () => answered)
    }
    backend.talk = (_, socket) => void socket.write(OK)
    assert.equal((await fetch(`${gateway.bff}/open/x`)).status, 200)
  })

  await t.test('that send far ahead without an end are closed', async (t) => {
    backend.talk = () => {}
    const wire = await openWire(t, gateway.bff)
    wire.write(get())
    wire.write(`${get()}${'x'.repeat(1024 * 1024)}`)
    await until('the end of the connection', () => wire.closed)
  })

  await t.test('may not have more under way than one caller gets', async (t) => {
    backend.talk = () => {}
    const before = backend.connections
    const wires = await Promise.all(Array.from({ length: 128 }, () => openWire(t, gateway.bff)))
    for (const wire of wires) wire.write(get('/calm/x'))
    await until('all of them under way', () => backend.connections >= before + 127)
    const calm = () => fetch(`${gateway.bff}/calm/x`)
    await until('too many', async () => (await calm()).status === 503)
    await assertProblem(await calm(), 'OVERLOADED')
    for (const wire of wires) wire.socket.destroy()
    backend.talk = (_, socket) => void socket.write(OK)
    await until('room again', async () => (await calm()).status === 200)
  })

  await t.test(
    'end with the process: idle ones at once, busy ones with their answer',
    async (t) => {
      let answer = () => {}
      backend.talk = (bytes, socket) => {
        if (String(bytes).includes('/open/busy')) answer = () => void socket.write(OK)
        else socket.write(OK)
      }
      const idle = await openWire(t, gateway.bff)
      idle.write(get())
      await idle.expect(/200 OK[\s\S]*ok$/)
      const silent = await openWire(t, gateway.bff)
      const busy = await openWire(t, gateway.bff)
      answer = () => {}
      const before = answer
      busy.write(`GET /open/busy HTTP/1.1\r\n${host}\r\n\r\n`)
      await until('the request at the backend', () => answer !== before)
      const stopped = gateway.drainBff()
      await until('the end of the idle ones', () => idle.closed && silent.closed)
      assert.equal(busy.closed, false)
      answer()
      await busy.expect(/200 OK[\s\S]*Connection: close[\s\S]*ok$/)
      await stopped
      await until('the end of the busy one', () => busy.closed)
    },
  )
})
