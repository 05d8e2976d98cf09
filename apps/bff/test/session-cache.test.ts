import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { SessionCache } from '@audience-bridge/bff/session/cache.ts'
import type { Session } from '@audience-bridge/bff/session/session.ts'
import { Sessions } from '@audience-bridge/bff/session/sessions.ts'
import { openSqliteStore } from '@audience-bridge/bff/session/store-sqlite.ts'
import { temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'
import { captureLog } from '@audience-bridge/testkit/log.ts'

const key = randomBytes(32)
const jwt = (chars: number) => randomBytes(Math.ceil(chars / 2)).toString('hex')
const MIB = 2 ** 20

const login = (i: number) => ({
  user: {
    sub: `user-${i}`,
    name: `Given Family ${i}`,
    email: `u${i}@example.com`,
    roles: ['member'],
  },
  issuer: 'https://idp.example/api/oidc',
  sid: jwt(40),
  frontend: 'default',
  idpSessionExpiresAt: undefined,
  binding: { agent: jwt(40), network: undefined },
  agent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140',
  grant: {
    accessToken: jwt(900),
    accessExpiresAt: 2e9,
    refreshToken: jwt(64),
    refreshExpiresAt: undefined,
    idToken: jwt(1_200),
    scopes: ['openid', 'profile', 'email', 'application.all', 'offline_access'],
  },
  requested: { scopes: ['openid', 'profile', 'email', 'application.all'], resources: [] },
})

const token = (service: string, chars = 900) => ({
  service,
  audience: `https://${service}.example`,
  asked: 'api.read',
  scopes: ['api.read'],
  mint: 'token_exchange',
  token: jwt(chars),
  mintedAt: 1,
  renewAt: 2e9,
  expiresAt: 2e9,
  configVersion: 'abcdef012345',
})

function startWorld(t: TestContext) {
  const store = openSqliteStore(join(temporaryDirectory(t), 'sessions.sqlite'), captureLog([]))
  t.after(() => store.close())
  let now = Math.floor(Date.now() / 1000)
  const open = (maxBytes: () => number) =>
    new Sessions({
      ...{ store, maxBytes },
      storeKeys: { current: key, all: [key] },
      clock: () => now,
      limits: () => ({ idleSeconds: 6_000, absoluteSeconds: 36_000 }),
      observe: { created() {}, ended() {} },
    })
  return {
    open,
    pass: (seconds: number) => {
      now += seconds
    },
  }
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
function heap(): number {
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

for (const services of [0, 4]) {
  test(`what sessions with ${services} tokens need is what is counted`, async (t) => {
    const { open } = startWorld(t)
    const writer = open(() => 1)
    const cookies: string[] = []
    const count = 1_000
    for (let i = 0; i < count; i++) {
      const session = await writer.create(login(i))
      for (let s = 0; s < services; s++) await writer.keepToken(session, token(`service${s}`), 1)
      cookies.push(session.ticket.cookie)
    }
    const reader = open(() => 1024 * MIB)
    const before = heap()
    for (const cookie of cookies) await reader.find(cookie)
    const real = (heap() - before) / count
    const counted = reader.cachedBytes / count
    t.diagnostic(`real ${Math.round(real)}, counted ${Math.round(counted)} bytes a session`)
    assert.ok(counted > real * 0.85 && counted < real * 1.3, `${real} counted as ${counted}`)
    assert.ok(reader.peek(cookies[0] ?? ''))
  })
}

test('the bound holds whatever comes, and who is in use stays', async (t) => {
  const { open, pass } = startWorld(t)
  const sessions = open(() => MIB)
  const first = await sessions.create(login(0))
  const early = await sessions.create(login(1))
  for (let i = 2; i < 1_000; i++) {
    pass(1)
    sessions.touch(first)
    const session = await sessions.create(login(i))
    assert.ok(sessions.peek(session.ticket.cookie), 'the newest is there')
    assert.ok(sessions.cachedBytes <= MIB)
  }
  assert.ok(sessions.peek(first.ticket.cookie), 'it was in use all the time')
  assert.equal(sessions.peek(early.ticket.cookie), undefined)
  assert.equal(early.ended, false)
  // Nothing is lost: it is read again.
  assert.equal((await sessions.find(early.ticket.cookie)).kind, 'session')
})

test('tokens count, too, and a smaller bound holds from the next session on', async (t) => {
  const { open, pass } = startWorld(t)
  let bound = MIB
  const sessions = open(() => bound)
  for (let i = 0; i < 50; i++) {
    pass(1)
    const session = await sessions.create(login(i))
    for (let s = 0; s < 8; s++) await sessions.keepToken(session, token(`service${s}`, 5_000), 1)
    assert.ok(sessions.cachedBytes <= MIB)
  }
  bound = MIB / 4
  await sessions.create(login(50))
  assert.ok(sessions.cachedBytes <= bound)
})

test('one that alone is larger than the bound is held while it is the newest', () => {
  const cache = new SessionCache(() => 10)
  const make = (i: number) =>
    ({
      ...login(i),
      ticket: { cookie: `c${i}`, id: `i${i}` },
      seenAt: 1,
      tokens: new Map(),
    }) as unknown as Session
  const [one, two] = [make(1), make(2)]
  cache.add(one)
  assert.equal(cache.get('c1'), one)
  cache.add(two)
  assert.deepEqual(
    [cache.get('c1'), cache.get('c2'), cache.withId('i1')],
    [undefined, two, undefined],
  )
  cache.delete(two)
  assert.equal(cache.bytes, 0)
  assert.deepEqual([...cache.values()], [])
})
