import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROBLEMS } from '@audience-bridge/contracts/problem.ts'
import type { ApiError, ClientOptions } from '../src/client.ts'
import { liveSession, NO_SESSION, openPage, problem, startStandIn } from './stand-in.ts'

const SESSION = '/api/auth/session'
const PATH = '/api/v1/x'
const BACK = encodeURIComponent('/app/items?page=2#third')
const LOGIN = `/auth/login?return_to=${BACK}`
const SILENT = '/auth/login?prompt=none&return_to=%2F'

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'answered',
    (error: ApiError) => error.code,
  )

const expired = () => problem('SESSION_EXPIRED', 401)
const narrow = (service = 'crud_service', login_url: unknown = SILENT) =>
  problem('REAUTHORIZATION_REQUIRED', 401, { service, login_url })

test('of all problems only three ever leave the page', async (t) => {
  const leaving: string[] = []
  for (const [code, { status }] of Object.entries(PROBLEMS)) {
    const bff = await startStandIn(t, () => problem(code, status, { login_url: SILENT }))
    const { client, left } = openPage(t, bff, { host: { stayMs: 0 } })
    assert.equal(await codeOf(client.fetch(PATH)), code)
    if (left.length > 0) leaving.push(code)
  }
  assert.deepEqual(leaving.sort(), [
    'REAUTHORIZATION_REQUIRED',
    'SESSION_EXPIRED',
    'SESSION_REQUIRED',
  ])
})

test('a code with another status than its own is a service talking, not the BFF', async (t) => {
  for (const code of ['SESSION_REQUIRED', 'REAUTHORIZATION_REQUIRED']) {
    const bff = await startStandIn(t, () => problem(code, 403, { login_url: SILENT }))
    const { client, left } = openPage(t, bff)
    assert.equal(await codeOf(client.fetch(PATH)), code)
    assert.deepEqual(left, [])
  }
})

test('many calls that meet a lost session leave once, and fail no caller on the way out', async (t) => {
  const bff = await startStandIn(t, expired)
  const { client, left, leaving } = openPage(t, bff)
  const gone = leaving()
  const settled: string[] = []
  for (let i = 0; i < 20; i++) void codeOf(client.fetch(PATH)).then((code) => settled.push(code))
  assert.equal(await gone, `${bff.origin}${LOGIN}`)
  // One that fails later, while the browser is still loading the login.
  void codeOf(client.fetch(PATH)).then((code) => settled.push(code))
  await client.fetch(PATH, { method: 'POST' }).catch(() => {})
  assert.equal(left.length, 1)
  assert.deepEqual(settled, [])
})

test('a page that is kept gets its errors', async (t) => {
  const bff = await startStandIn(t, expired)
  const { client, left } = openPage(t, bff, { host: { stayMs: 10 } })
  const codes = await Promise.all([codeOf(client.fetch(PATH)), codeOf(client.fetch(PATH))])
  assert.deepEqual(codes, ['SESSION_EXPIRED', 'SESSION_EXPIRED'])
  assert.equal(left.length, 1)
})

test('a page and a login never loop: once a minute, then the caller gets the error', async (t) => {
  const bff = await startStandIn(t, expired)
  const tab = new Map<string, string>()
  let now = 1_900_000_000_000
  const load = () => openPage(t, bff, { host: { now: () => now, stayMs: 0 } }, tab)
  const visits = []
  for (const step of [0, 1_000, 30_000, 28_999, 1, 59_999]) {
    now += step
    const { client, left } = load()
    assert.equal(await codeOf(client.fetch(PATH)), 'SESSION_EXPIRED')
    visits.push(left.length)
  }
  assert.deepEqual(visits, [1, 0, 0, 0, 1, 0])
})

test('where the browser forbids storage nothing leaves by itself', async (t) => {
  const bff = await startStandIn(t, expired)
  const { client, left } = openPage(t, bff, { host: { storage: forbidden } })
  await assert.rejects(client.fetch(PATH))
  assert.deepEqual(left, [])
})

function forbidden(): never {
  throw new DOMException('no storage here', 'SecurityError')
}

test('a form that was sent stays on the screen, unless the page says otherwise', async (t) => {
  for (const answer of [expired, () => narrow()]) {
    const outcomes: [ClientOptions, number][] = [
      [{}, 0],
      [{ leaveOn: 'any' }, 1],
    ]
    for (const [options, times] of outcomes) {
      const bff = await startStandIn(t, ({ url }) => (url === SESSION ? NO_SESSION : answer()))
      const { client, left } = openPage(t, bff, { ...options, host: { stayMs: 0 } })
      const code = await codeOf(client.fetch(PATH, { method: 'POST', body: 'draft' }))
      assert.match(code, /SESSION_EXPIRED|REAUTHORIZATION_REQUIRED/)
      assert.equal(left.length, times)
    }
  }
})

test('onSessionLost', async (t) => {
  await t.test('is told once, and false keeps the page', async (t) => {
    const bff = await startStandIn(t, expired)
    const told: string[] = []
    const onSessionLost = async ({ code }: ApiError) => {
      told.push(code)
      return false
    }
    const { client, left } = openPage(t, bff, { onSessionLost })
    const calls = [client.fetch(PATH), client.fetch(PATH), client.fetch(PATH, { method: 'POST' })]
    await Promise.allSettled(calls)
    await assert.rejects(client.fetch(PATH))
    assert.deepEqual(told, ['SESSION_EXPIRED'])
    assert.deepEqual(left, [])

    // Signed in again, then lost again: told again.
    bff.answer = ({ url }) => (url === SESSION ? liveSession('t') : {})
    await client.fetch(PATH)
    await client.session()
    bff.answer = expired
    await assert.rejects(client.fetch(PATH))
    assert.equal(told.length, 2)
  })

  await t.test('may keep a draft before the page leaves', async (t) => {
    const bff = await startStandIn(t, expired)
    const order: string[] = []
    const { client } = openPage(t, bff, {
      host: { stayMs: 0 },
      navigate: () => order.push('left'),
      onSessionLost: async () => {
        await new Promise(setImmediate)
        order.push('kept')
      },
    })
    await assert.rejects(client.fetch(PATH))
    assert.deepEqual(order, ['kept', 'left'])
  })
})

test('a grant that is too narrow is widened by the BFF’s own login', async (t) => {
  await t.test('on the way back to this page, and then the call works', async (t) => {
    const bff = await startStandIn(t, () => narrow())
    const tab = new Map<string, string>()
    const { client, leaving } = openPage(t, bff, {}, tab)
    const gone = leaving()
    void codeOf(client.fetch(PATH))
    assert.equal(await gone, `${bff.origin}/auth/login?prompt=none&return_to=${BACK}`)
    bff.answer = () => ({ body: { ok: 1 } })
    const after = openPage(t, bff, {}, tab)
    assert.equal((await after.client.fetch(PATH)).status, 200)
    assert.deepEqual(after.left, [])
  })

  await t.test('once a minute for each service', async (t) => {
    const bff = await startStandIn(t, ({ url }) => narrow(new URL(url, 'http://x').search))
    const tab = new Map<string, string>()
    const visits: number[] = []
    for (const service of ['?a', '?a', '?b', '?a', '?b']) {
      const { client, left } = openPage(t, bff, { host: { stayMs: 0 } }, tab)
      assert.equal(await codeOf(client.fetch(PATH + service)), 'REAUTHORIZATION_REQUIRED')
      visits.push(left.length)
    }
    assert.deepEqual(visits, [1, 0, 1, 0, 0])
  })

  await t.test('and by nobody else’s', async (t) => {
    for (const loginUrl of [
      'https://evil.example/auth/login',
      '//evil.example/auth/login',
      '\\\\evil.example\\auth\\login',
      'javascript:alert(1)',
      'data:text/html,x',
      'http://',
      undefined,
      7,
    ]) {
      const bff = await startStandIn(t, () => narrow('s', loginUrl))
      const { client, left } = openPage(t, bff, { host: { stayMs: 0 } })
      assert.equal(await codeOf(client.fetch(PATH)), 'REAUTHORIZATION_REQUIRED')
      const foreign = left.filter((url) => new URL(url).origin !== bff.origin)
      assert.deepEqual(foreign, [], String(loginUrl))
    }
  })

  await t.test('unless the page says no; it is asked again the next time', async (t) => {
    const bff = await startStandIn(t, () => narrow())
    const asked: (string | undefined)[] = []
    const onReauthorize = ({ service }: ApiError) => {
      asked.push(service)
      return false
    }
    const { client, left } = openPage(t, bff, { onReauthorize })
    await assert.rejects(client.fetch(PATH))
    await assert.rejects(client.fetch(PATH))
    assert.deepEqual(asked, ['crud_service', 'crud_service'])
    assert.deepEqual(left, [])
  })
})

test('of several tabs that meet the same loss, one leaves', async (t) => {
  const bff = await startStandIn(t, expired)
  const tabs = Array.from({ length: 5 }, () => openPage(t, bff, { host: { stayMs: 0 } }))
  await Promise.allSettled(tabs.map(({ client }) => client.fetch(PATH)))
  assert.equal(tabs.flatMap(({ left }) => left).length, 1)

  // Who meets it a moment later does not go after the first.
  await Promise.allSettled(tabs.map(({ client }) => client.fetch(PATH)))
  assert.equal(tabs.flatMap(({ left }) => left).length, 1)
})

test('a tab that nobody sees does not leave', async (t) => {
  const bff = await startStandIn(t, expired)
  let isVisible = false
  const host = { isVisible: () => isVisible, stayMs: 0 }
  const { client, left } = openPage(t, bff, { host })
  await assert.rejects(client.fetch(PATH))
  assert.deepEqual(left, [])
  isVisible = true
  await assert.rejects(client.fetch(PATH))
  assert.equal(left.length, 1)
})

test('a BFF on another origin gets an address to return to, and its own login is followed', async (t) => {
  const bff = await startStandIn(t, expired)
  const host = { location: { href: 'https://app.example/a?b' }, stayMs: 0 }
  const { client, left } = openPage(t, bff, { baseUrl: `${bff.origin}/api`, host })
  await assert.rejects(client.fetch(PATH))
  bff.answer = () => narrow()
  await assert.rejects(client.fetch(PATH))
  const back = encodeURIComponent('https://app.example/a?b')
  assert.deepEqual(left, [
    `${bff.origin}/auth/login?return_to=${back}`,
    `${bff.origin}/auth/login?prompt=none&return_to=${back}`,
  ])
})
