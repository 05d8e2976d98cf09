import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createLog } from '@audience-bridge/kit/log.ts'
import { DAY_MS } from '../src/event-writer.ts'
import { dayOf } from '../src/history.ts'
import { createOrganisation } from '../src/organisation.ts'
import { catchUp, keepUp, type PastDeps } from '../src/past.ts'
import { type Receiver, startReceiver } from './receiver.ts'

const HOUR_MS = DAY_MS / 24
const start = Date.UTC(2026, 7, 19, 15, 30)

function setUp(t: TestContext, receiver: Receiver, changes: Partial<PastDeps> = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'demo-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const progress: { progress: number; events: number }[] = []
  const deps: PastDeps = {
    organisation: createOrganisation(1, []),
    statePath: join(dir, 'state.json'),
    url: receiver.url,
    token: async () => 'a-token',
    log: createLog('demo-test', 'silent'),
    signal: new AbortController().signal,
    nowMs: () => start,
    onProgress: (share, events) => void progress.push({ progress: share, events }),
    firstRetryMs: 1,
    ...changes,
  }
  return { deps, progress }
}

/** As if everything but the last hours had been ingested before. */
function rememberAll(path: string, untilMs: number): void {
  writeFileSync(path, JSON.stringify({ seed: 1, anchorDay: dayOf(start), untilMs }))
}

test('the first start brings 60 days, with progress; a re-run adds nothing', async (t) => {
  const receiver = await startReceiver(t)
  const { deps, progress } = setUp(t, receiver)
  await catchUp(deps)
  const events = receiver.stored.size
  assert.ok(events > 120_000)
  assert.ok(receiver.largestBatch <= 5_000, 'the endpoint takes no larger batch')
  assert.deepEqual(progress.at(0), { progress: 0, events: 0 })
  assert.deepEqual(progress.at(-1), { progress: 1, events })
  for (const [i, line] of progress.entries()) {
    const before = progress[i - 1]
    assert.ok(
      before === undefined || (line.progress >= before.progress && line.events >= before.events),
    )
  }

  rmSync(deps.statePath)
  await catchUp(deps)
  assert.equal(
    receiver.stored.size,
    events,
    'the ids are derived, so a lost state duplicates nothing',
  )
  assert.equal(receiver.arrived, 2 * events)
})

test('a later start adds what has come since, and the anchor stays', async (t) => {
  const receiver = await startReceiver(t)
  const { deps } = setUp(t, receiver)
  rememberAll(deps.statePath, start - 6 * HOUR_MS)
  await catchUp(deps)
  const first = receiver.arrived
  assert.ok(first > 200 && first < 5_000)

  await catchUp(deps)
  assert.equal(receiver.arrived, first, 'nothing has come since')
  const state = await catchUp({ ...deps, nowMs: () => start + 20 * HOUR_MS })
  assert.ok(receiver.arrived > first)
  assert.equal(receiver.stored.size, receiver.arrived, 'nothing was sent twice')
  assert.equal(state.anchorDay, dayOf(start))
})

test('tries again while the endpoint fails, with a new token after 401', async (t) => {
  const receiver = await startReceiver(t)
  receiver.failures = [503, 401, 500]
  let issued = 0
  const { deps } = setUp(t, receiver, {
    token: async (refused) => {
      if (refused !== undefined || issued === 0) issued += 1
      return `token-${issued}`
    },
  })
  rememberAll(deps.statePath, start - HOUR_MS)
  await catchUp(deps)
  assert.ok(receiver.stored.size > 0)
  assert.deepEqual(receiver.tokens, [
    'Bearer token-1',
    'Bearer token-1',
    'Bearer token-2',
    'Bearer token-2',
  ])
})

test('an abort ends it without remembering what was not acknowledged', async (t) => {
  const receiver = await startReceiver(t)
  receiver.failures = Array.from({ length: 1_000 }, () => 503)
  const stop = new AbortController()
  const { deps } = setUp(t, receiver, { signal: stop.signal })
  rememberAll(deps.statePath, start - HOUR_MS)
  const before = readFileSync(deps.statePath, 'utf8')
  const work = catchUp(deps)
  stop.abort()
  await assert.rejects(work, { name: 'AbortError' })
  assert.equal(readFileSync(deps.statePath, 'utf8'), before)
})

test('as time passes, what the organisation does is added', async (t) => {
  const receiver = await startReceiver(t)
  const stop = new AbortController()
  let now = start
  const { deps } = setUp(t, receiver, { signal: stop.signal, nowMs: () => (now += HOUR_MS) })
  const work = keepUp(deps, { seed: 1, anchorDay: dayOf(start), untilMs: start }, 1)
  while (receiver.arrived < 1_000) await new Promise((resolve) => setImmediate(resolve))
  stop.abort()
  await assert.rejects(work, { name: 'AbortError' })
  assert.equal(receiver.stored.size, receiver.arrived)
})
