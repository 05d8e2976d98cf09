import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, type TestContext, test } from 'node:test'
import { Sessions } from '@audience-bridge/bff/session/sessions.ts'
import { startRedis } from '@audience-bridge/testkit/redis.ts'
import { freezeTime } from '@audience-bridge/testkit/time.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { openRedis } from './redis-store.ts'

const redis = await startRedis({ after })
const key = randomBytes(32)
const storeKeys = { current: key, all: [key] }
const limits = { idleSeconds: 600, absoluteSeconds: 3600 }

const grant = {
  accessToken: 'first',
  accessExpiresAt: 0,
  refreshToken: 'r1',
  refreshExpiresAt: undefined,
  idToken: 'id',
  scopes: ['openid'],
}
const login = {
  user: { sub: 'user-ben', roles: ['member', 'auditor'] },
  issuer: 'https://idp.example',
  sid: undefined,
  frontend: 'default',
  idpSessionExpiresAt: undefined,
  binding: { agent: undefined, network: undefined },
  agent: undefined,
  grant,
  requested: { scopes: ['openid'], resources: [] },
}

/** One more process that shares the store. */
function startNode(t: TestContext, store = openRedis(redis)): Sessions {
  t.after(() => store.close())
  const clock = () => Math.floor(Date.now() / 1000)
  const observe = { created() {}, ended() {} }
  return new Sessions({
    store,
    storeKeys,
    clock,
    limits: () => limits,
    maxBytes: () => 2 ** 24,
    observe,
  })
}

/** Two nodes that both have the same session in memory. */
async function shareSession(t: TestContext) {
  const store = openRedis(redis)
  const [a, b] = [startNode(t), startNode(t, store)]
  const here = await a.create(login)
  const { cookie } = here.ticket
  const there = await b.find(cookie)
  assert.ok(there.kind === 'session')
  return { store, a, b, cookie, here, there: there.session }
}

test('a session that ends on one node ends on the others within a second', async (t) => {
  const { a, b, cookie, here, there } = await shareSession(t)
  assert.ok(b.peek(cookie))
  await a.end(here, 'logout')
  const began = performance.now()
  await until('the end', async () => (await b.find(cookie)).kind === 'ended')
  assert.ok(performance.now() - began < 1_500)
  assert.equal(b.peek(cookie), undefined)
  assert.equal(there.ended, true, 'requests under way see it, too')
})

test('a grant that one node renews is used by the others: the old one is never sent again', async (t) => {
  const { a, b, here, there } = await shareSession(t)
  assert.equal(await a.replaceGrant(here, { ...grant, refreshToken: 'r2' }), 'kept')
  assert.equal(await b.replaceGrant(there, { ...grant, refreshToken: 'stale' }), 'newer')
  assert.equal(there.grant.refreshToken, 'r2')
  // At the right version: the next renewal may come from either.
  assert.equal(await b.replaceGrant(there, { ...grant, refreshToken: 'r3' }), 'kept')
  assert.equal(await a.replaceGrant(here, { ...grant, refreshToken: 'stale' }), 'newer')
  assert.equal(here.grant.refreshToken, 'r3')
})

test('a session that is used on one node is not idle on the others', async (t) => {
  const time = freezeTime(t)
  const { store, a, b, cookie, here } = await shareSession(t)
  for (let passed = 0; passed < 1200; passed += 300) {
    time.pass(300)
    a.touch(here)
    await until('the touch', async () => {
      return (await store.readSession(here.ticket.id))?.seenAt === time.now()
    })
    assert.equal((await b.find(cookie)).kind, 'session')
  }
  time.pass(600)
  assert.equal((await b.find(cookie)).kind, 'ended')
})

test('a role that is taken away on one node is gone on the others, and a new one waits', async (t) => {
  const { a, b, cookie, here, there } = await shareSession(t)
  assert.deepEqual(here.user.roles, ['member', 'auditor'])
  const user = { ...here.user, roles: ['member', 'admin'] }
  assert.equal(await a.replaceGrant(here, { ...grant, refreshToken: 'r2' }, user), 'kept')
  await until('the news', () => b.peek(cookie) === undefined)
  await b.find(cookie)
  // Also for whoever opens the session first now, as after a restart.
  const fresh = await startNode(t).find(cookie)
  assert.ok(fresh.kind === 'session')
  for (const { user, raised } of [here, there, fresh.session]) {
    assert.deepEqual([user.roles, raised], [['member'], true])
  }
  assert.equal(await b.replaceGrant(there, { ...grant, refreshToken: 'r3' }), 'kept')
  assert.equal(there.raised, true, 'a renewal that says nothing of the user changes nothing')
  const back = { ...user, roles: ['member'] }
  assert.equal(await b.replaceGrant(there, { ...grant, refreshToken: 'r4' }, back), 'kept')
  assert.equal(there.raised, false)
})

test('tokens that carry a role that is gone go with it, here, there and in the store', async (t) => {
  const { a, b, here, there } = await shareSession(t)
  const now = Math.floor(Date.now() / 1000)
  const token = {
    ...{
      service: 'crud',
      audience: 'x',
      asked: '',
      scopes: [],
      mint: 'token_exchange',
      token: 'x',
    },
    ...{ mintedAt: now, renewAt: now + 300, expiresAt: now + 600, configVersion: '' },
  }
  await a.keepToken(here, token, 1)
  assert.equal((await b.rereadToken(there, 'crud'))?.token, 'x')
  const user = { ...here.user, roles: ['member'] }
  // The same roles change nothing.
  assert.equal(await a.replaceGrant(here, { ...grant, refreshToken: 'r2' }, here.user), 'kept')
  await b.check(there)
  assert.deepEqual([here.tokens.size, there.tokens.size], [1, 1])
  assert.equal(await a.replaceGrant(here, { ...grant, refreshToken: 'r3' }, user), 'kept')
  await b.check(there)
  assert.deepEqual([here.tokens.size, there.tokens.size], [0, 0])
  for (const [node, session] of [
    [a, here],
    [b, there],
  ] as const) {
    assert.equal(await node.rereadToken(session, 'crud'), undefined)
  }
})
