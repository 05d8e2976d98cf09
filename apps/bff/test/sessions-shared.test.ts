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
  user: { sub: 'user-ben', roles: [] },
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
  return new Sessions({ store, storeKeys, clock, limits: () => limits, observe })
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

test('a role that is taken away on one node is gone on the others', async (t) => {
  const { a, b, cookie, here, there } = await shareSession(t)
  const user = { ...here.user, roles: ['admin'] }
  assert.equal(await a.replaceGrant(here, { ...grant, refreshToken: 'r2' }, user), 'kept')
  await until('the news', () => b.peek(cookie) === undefined)
  await b.find(cookie)
  assert.deepEqual(there.user.roles, ['admin'])
  assert.equal(there.privilegesChanged, true)
  // Whichever node comes first gives the new id, once.
  const rotated = await Promise.all([a.rotate(here), b.rotate(there)])
  assert.equal(rotated.filter((successor) => successor !== undefined).length, 1)
})
