import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { bridgeEvent } from '@audience-bridge/contracts/event.ts'
import { createOutbox, type Outbox, type OutboxOptions } from '../src/outbox.ts'
import { accessEvent, quiet, send, startReceiver, store } from './receiver.ts'

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'outbox-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

function open(t: TestContext, options: Partial<OutboxOptions> & { url: string }): Outbox {
  const outbox = createOutbox({
    path: join(directory(t), 'queue.sqlite'),
    source: 'urn:test',
    token: async () => 'a-token',
    log: quiet,
    flushMs: 5,
    writeMs: 1,
    firstRetryMs: 5,
    maxRetryMs: 20,
    closeMs: 100,
    ...options,
  })
  t.after(() => outbox.close())
  return outbox
}

/** An address at which nobody listens, kept free for the test that brings the receiver up on it. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  server.close()
  await once(server, 'close')
  return address.port
}

/** Resolves once `condition` holds; for what only the outbox itself knows. */
async function eventually(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000
  while (!condition()) {
    assert.ok(performance.now() < deadline, 'the condition did not come true within 5 s')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('delivers every event as a CloudEvents batch with a bearer token', async (t) => {
  const receiver = await startReceiver(t)
  const outbox = open(t, { url: receiver.url, batchEvents: 10 })
  const seen: unknown[] = []
  receiver.answer = ({ events }) => {
    seen.push(...events)
    return false
  }
  for (let i = 0; i < 25; i++) outbox.emit(accessEvent(`/${i}`))
  await receiver.until(() => receiver.stored.size === 25)

  for (const event of seen) assert.ok(bridgeEvent.safeParse(event).success)
  assert.deepEqual(
    receiver.paths(),
    Array.from({ length: 25 }, (_, i) => `/${i}`),
  )
  for (const request of receiver.requests) {
    assert.equal(request.authorization, 'Bearer a-token')
    assert.equal(request.contentType, 'application/cloudevents-batch+json')
    assert.ok(request.events <= 10)
  }
  await eventually(() => outbox.stats().queuedEvents === 0)
  assert.equal(outbox.stats().sent, 25)
})

test('sends after kill -9 what was on disk', async (t) => {
  const path = join(directory(t), 'queue.sqlite')
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/api/v1/analytics/events`
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('emit-forever.ts', import.meta.url)), path, url, '700'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')

  assert.throws(
    () => open(t, { path, url }),
    /in use by another process/,
    'one process a queue: two senders would delete what the other has not sent',
  )
  child.kill('SIGKILL')
  await once(child, 'exit')

  const receiver = await startReceiver(t, port)
  open(t, { path, url })
  await receiver.until(() => receiver.stored.size === 700)
  assert.equal(new Set(receiver.paths()).size, 700)
})

test('keeps events while the receiver is away and delivers them when it is back', async (t) => {
  const port = await freePort()
  const outbox = open(t, { url: `http://127.0.0.1:${port}/` })
  for (let i = 0; i < 40; i++) outbox.emit(accessEvent(`/${i}`))
  await eventually(() => outbox.stats().failedAttempts > 1)
  assert.equal(outbox.stats().queuedEvents, 40)

  const receiver = await startReceiver(t, port)
  await receiver.until(() => receiver.stored.size === 40)
})

const failures: [string, (attempt: number, answer: Parameters<typeof send>[0]) => void][] = [
  ['500', (_, response) => send(response, 500, {})],
  ['503', (_, response) => send(response, 503, {})],
  ['404 of a receiver that is not deployed yet', (_, response) => send(response, 404, {})],
  ['403 until the scope is granted', (_, response) => send(response, 403, {})],
  ['200 without an acknowledgement', (_, response) => send(response, 200, { hello: 'proxy' })],
  ['a redirect', (_, response) => response.writeHead(302, { location: '/' }).end()],
  ['a broken connection', (_, response) => response.destroy()],
]
for (const [name, fail] of failures) {
  test(`tries again after ${name}`, async (t) => {
    const receiver = await startReceiver(t)
    let attempts = 0
    receiver.answer = ({ response }) => {
      attempts += 1
      if (attempts > 3) return false
      fail(attempts, response)
      return true
    }
    const outbox = open(t, { url: receiver.url })
    outbox.emit(accessEvent('/once'))
    await receiver.until(() => receiver.stored.size === 1)
    assert.equal(attempts, 4)
    await eventually(() => outbox.stats().queuedEvents === 0)
  })
}

test('sends the same ids again when an acknowledgement is lost', async (t) => {
  const receiver = await startReceiver(t)
  let first = true
  receiver.answer = ({ events, response }) => {
    if (!first) return false
    first = false
    for (const { id } of events) receiver.stored.set(id, 1)
    response.destroy()
    return true
  }
  const outbox = open(t, { url: receiver.url })
  for (let i = 0; i < 5; i++) outbox.emit(accessEvent(`/${i}`))
  await receiver.until(() => [...receiver.stored.values()].every((times) => times === 2) && !first)
  assert.equal(receiver.stored.size, 5, 'no event got a second id')
  await eventually(() => outbox.stats().queuedEvents === 0)
})

test('asks for another token after 401, and survives a token function that fails', async (t) => {
  const receiver = await startReceiver(t)
  receiver.answer = ({ authorization, response }) => {
    if (authorization === 'Bearer good') return false
    send(response, 401, {})
    return true
  }
  const refusals: (string | undefined)[] = []
  const outbox = open(t, {
    url: receiver.url,
    token: async (refused) => {
      refusals.push(refused)
      if (refusals.length < 3) throw new Error('the issuer is away')
      return refused === undefined ? 'stale' : 'good'
    },
  })
  outbox.emit(accessEvent('/once'))
  await receiver.until(() => receiver.stored.size === 1)
  assert.deepEqual(refusals, [undefined, undefined, undefined, 'stale'])
  assert.equal(receiver.requests.length, 2)
})

test('drops the oldest beyond maxBytes, and counts them', async (t) => {
  const port = await freePort()
  const maxBytes = 20_000
  const outbox = open(t, { url: `http://127.0.0.1:${port}/`, maxBytes, batchEvents: 10 })
  for (let i = 0; i < 500; i++) outbox.emit(accessEvent(`/${i}`))
  await eventually(() => outbox.stats().bufferedEvents === 0)
  const { queuedBytes, queuedEvents, dropped } = outbox.stats()
  assert.ok(queuedBytes <= maxBytes)
  assert.ok(queuedEvents > 20)
  assert.equal(queuedEvents + dropped, 500)

  const receiver = await startReceiver(t, port)
  await receiver.until(() => receiver.stored.size === queuedEvents)
  const kept = Array.from({ length: queuedEvents }, (_, i) => `/${i + dropped}`)
  assert.deepEqual(receiver.paths(), kept, 'the newest are kept')
})

test('drops events that the receiver rejects by index, and keeps going', async (t) => {
  const receiver = await startReceiver(t)
  receiver.answer = ({ events, response }) => {
    const good = events.filter((event) => !event.data.path.startsWith('/bad'))
    const rejected = events.flatMap(({ id, data }, index) =>
      data.path.startsWith('/bad') ? [{ index, id, detail: 'data.path is bad' }] : [],
    )
    for (const { id } of good) receiver.stored.set(id, 1)
    send(response, 200, { accepted: good.length, duplicates: 0, rejected })
    return true
  }
  const outbox = open(t, { url: receiver.url })
  for (const path of ['/a', '/bad/1', '/b', '/bad/2', '/c']) outbox.emit(accessEvent(path))
  await receiver.until(() => receiver.stored.size === 3)
  await eventually(() => outbox.stats().queuedEvents === 0)
  assert.equal(outbox.stats().rejected, 2)
  assert.equal(outbox.stats().sent, 3)
})

test('finds the one event that makes the receiver refuse whole bodies', async (t) => {
  const receiver = await startReceiver(t)
  receiver.answer = ({ events, response }) => {
    if (!events.some((event) => event.data.path === '/poison')) return false
    send(response, 413, {})
    return true
  }
  const outbox = open(t, { url: receiver.url })
  for (let i = 0; i < 20; i++) outbox.emit(accessEvent(i === 13 ? '/poison' : `/${i}`))
  await receiver.until(() => receiver.stored.size === 19)
  await eventually(() => outbox.stats().queuedEvents === 0)
  assert.equal(outbox.stats().rejected, 1)
})

test('loses nothing to an address that answers 400 to everything', async (t) => {
  const receiver = await startReceiver(t)
  receiver.answer = ({ response }) => {
    send(response, 400, {})
    return true
  }
  const outbox = open(t, { url: receiver.url })
  for (let i = 0; i < 4; i++) outbox.emit(accessEvent(`/${i}`))
  await eventually(() => outbox.stats().failedAttempts > 0)
  assert.equal(outbox.stats().queuedEvents, 4)
  receiver.answer = () => false
  await receiver.until(() => receiver.stored.size === 4)
})

test('a receiver that hangs costs emit nothing, and is given up after the timeout', async (t) => {
  const receiver = await startReceiver(t)
  let hung = 0
  receiver.answer = () => {
    hung += 1
    return hung <= 2
  }
  const outbox = open(t, { url: receiver.url, requestTimeoutMs: 50 })
  outbox.emit(accessEvent('/first'))
  await receiver.until(() => hung === 1)
  const start = performance.now()
  for (let i = 0; i < 1_000; i++) outbox.emit(accessEvent(`/${i}`))
  const millis = performance.now() - start
  assert.ok(millis < 500, `1,000 emits took ${millis} ms while the receiver hung`)
  await receiver.until(() => receiver.stored.size === 1_001)
})

test('emit never throws: neither on what cannot be serialised nor after close', async (t) => {
  const receiver = await startReceiver(t)
  const outbox = open(t, { url: receiver.url })
  const circular: Record<string, unknown> = {}
  circular.self = circular
  outbox.emit({ ...accessEvent('/circular'), subject: circular as unknown as string })
  outbox.emit(accessEvent(`/${'x'.repeat(100_000)}`))
  await outbox.close()
  outbox.emit(accessEvent('/late'))
  assert.equal(outbox.stats().dropped, 3)
})

test('close delivers what was emitted just before it', async (t) => {
  const receiver = await startReceiver(t)
  const outbox = open(t, { url: receiver.url, writeMs: 60_000, flushMs: 60_000, closeMs: 5_000 })
  for (let i = 0; i < 1_234; i++) outbox.emit(accessEvent(`/${i}`))
  await outbox.close()
  assert.equal(receiver.stored.size, 1_234)
})

test('close ends within its deadline when receiver or token hang, and the rest is sent next time', async (t) => {
  for (const hanging of ['receiver', 'token']) {
    const receiver = await startReceiver(t)
    const path = join(directory(t), 'queue.sqlite')
    receiver.answer = ({ response, events }) => {
      if (receiver.stored.size > 0) store(receiver, events, response)
      return true
    }
    const token = hanging === 'token' ? () => new Promise<string>(() => undefined) : undefined
    const outbox = open(t, { url: receiver.url, path, ...(token && { token }) })
    outbox.emit(accessEvent('/kept'))
    await eventually(() => outbox.stats().queuedEvents === 1)
    const start = performance.now()
    await outbox.close()
    assert.ok(performance.now() - start < 2_000)

    receiver.answer = () => false
    open(t, { url: receiver.url, path })
    await receiver.until(() => receiver.stored.size === 1)
  }
})

test('puts an unreadable queue aside instead of refusing the start', async (t) => {
  const receiver = await startReceiver(t)
  const dir = directory(t)
  const path = join(dir, 'queue.sqlite')
  writeFileSync(path, 'this is no database, and long enough to be recognised as none'.repeat(20))
  const outbox = open(t, { url: receiver.url, path })
  outbox.emit(accessEvent('/fresh'))
  await receiver.until(() => receiver.stored.size === 1)
  assert.ok(readdirSync(dir).some((name) => name.startsWith('queue.sqlite.corrupt-')))
})

test('the queue file is its owner’s alone', (t) => {
  const path = join(directory(t), 'queue.sqlite')
  open(t, { url: 'http://127.0.0.1:1/', path })
  for (const file of [path, `${path}-wal`]) assert.equal(statSync(file).mode & 0o077, 0)
})
