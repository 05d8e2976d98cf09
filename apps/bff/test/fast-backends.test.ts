import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Caller, Question } from '@audience-bridge/bff/fast/backend-connection.ts'
import { BackendPool } from '@audience-bridge/bff/fast/backend-pool.ts'
import { CoarseClock } from '@audience-bridge/bff/fast/coarse-clock.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { startRawBackend } from './fast-world.ts'

const CLOSING = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok'
const question = (headMs: number): Question => ({
  ...{ method: 'GET', head: 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', body: undefined },
  ...{ connectMs: 5_000, headMs, pauseMs: 0 },
})

/** Notes how its question ended. */
function caller(ended: (how: string) => void): Caller {
  return {
    head: () => {},
    data: () => {},
    flush: () => {},
    end: () => ended('answered'),
    failed: ({ kind }) => ended(kind),
  }
}

async function startPool(t: TestContext) {
  const backend = await startRawBackend(t)
  const clock = new CoarseClock((now) => pool.look(now))
  const pool = new BackendPool(clock)
  t.after(() => {
    clock.stop()
    pool.close()
  })
  return { backend, pool, base: new URL(backend.origin) }
}

test('the first answer on a new connection has the time of its service, not that of connecting', async (t) => {
  const { backend, pool, base } = await startPool(t)
  backend.talk = (_bytes, socket) => void setTimeout(() => socket.write(CLOSING), 5_400)
  let how = ''
  pool.ask(
    base,
    caller((end) => {
      how = end
    }),
    question(30_000),
  )
  await until('the answer', () => how !== '', 8_000)
  assert.equal(how, 'answered')
})

test('a connection that was opened as another one ended is watched like any', async (t) => {
  const { backend, pool, base } = await startPool(t)
  backend.talk = (_bytes, socket) => {
    // The second one is never answered.
    if (backend.connections === 1) socket.write(CLOSING)
  }
  const ends: string[] = []
  const second = caller((end) => ends.push(`second ${end}`))
  pool.ask(
    base,
    caller((end) => {
      ends.push(`first ${end}`)
      // As a pipelined request does: before the connection that is done with has closed.
      pool.ask(base, second, question(300))
    }),
    question(1_000),
  )
  await until('both ends', () => ends.length === 2, 3_000)
  assert.deepEqual(ends, ['first answered', 'second timeout'])
})
