import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '@audience-bridge/kit/log.ts'
import { createBrowserSession } from '../src/browser-session.ts'
import { randomOf } from '../src/random.ts'
import { runTraffic } from '../src/traffic.ts'
import { startBff, USER } from './bff.ts'

const log = createLog('demo-test', 'silent')
const signal = new AbortController().signal

/** Resolves once `condition` holds. */
async function eventually(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000
  while (!condition()) {
    assert.ok(performance.now() < deadline, 'the condition did not come true within 5 s')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('a browser session signs in through the pages and calls with cookie and CSRF token', async (t) => {
  const bff = await startBff(t)
  const session = createBrowserSession({ bffUrl: bff.url, ...USER, signal })
  assert.equal(session.signedIn(), false)
  await session.signIn()
  assert.equal(session.signedIn(), true)
  assert.equal((await session.api('GET', '/api/crud/projects')).status, 200)
  assert.equal((await session.api('POST', '/api/crud/projects', { name: 'x' })).status, 201)

  bff.sessions.clear()
  assert.equal((await session.api('GET', '/api/crud/projects')).status, 401)
  assert.equal(session.signedIn(), false, 'a lost session is noticed')
  await session.signIn()
  assert.equal(bff.signIns, 2)
})

test('a wrong password is an error that does not repeat it', async (t) => {
  const bff = await startBff(t)
  const session = createBrowserSession({ bffUrl: bff.url, ...USER, password: 'hunter2', signal })
  await assert.rejects(session.signIn(), (error: Error) => {
    assert.match(error.message, /sign-in of ada ended at .*\/interaction\/i1 \(422\)/)
    assert.doesNotMatch(error.message, /hunter2/)
    return true
  })
})

test('traffic calls every kind of path and signs in again when sessions are lost', async (t) => {
  const bff = await startBff(t)
  const stop = new AbortController()
  const users = [USER, { ...USER, username: 'ben' }]
  const traffic = runTraffic({
    bffUrl: bff.url,
    users,
    log,
    signal: stop.signal,
    random: randomOf('traffic-test'),
    pauseMs: [0, 1],
    firstRetryMs: 1,
  })
  const seen = (pattern: RegExp) =>
    bff.calls.some(({ method, path }) => pattern.test(`${method} ${path}`))
  await eventually(() =>
    [
      /^GET \/api\/crud\/projects$/,
      /^POST \/api\/crud\/projects$/,
      /^PATCH \/api\/crud\/projects\/.+$/,
      /^POST \/api\/crud\/workflows\/.+\/runs$/,
      /^GET \/api\/v1\/analytics\/workflows$/,
      /^GET \/api\/v1\/analytics\/authorization-metrics$/,
      /^GET \/api\/v1\/analytics\/anomalous-access-patterns$/,
    ].every(seen),
  )
  assert.equal(bff.signIns, 2, 'one sign-in a user')
  bff.sessions.clear()
  await eventually(() => bff.signIns === 4)
  stop.abort()
  await traffic
})

test('traffic outlives an absent BFF and one that answers 503, and ends with the signal', async (t) => {
  const bff = await startBff(t)
  const stop = new AbortController()
  const options = { users: [USER], log, signal: stop.signal, pauseMs: [0, 1] as const }
  const absent = runTraffic({ ...options, bffUrl: 'http://127.0.0.1:1', firstRetryMs: 1 })
  bff.status = 503
  const ailing = runTraffic({ ...options, bffUrl: bff.url, firstRetryMs: 1 })
  await eventually(() => bff.calls.length > 3)
  bff.status = 200
  const before = bff.calls.length
  await eventually(() => bff.calls.length > before + 3)
  stop.abort()
  await Promise.all([absent, ailing])
})
