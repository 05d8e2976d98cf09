import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { Channels } from '@audience-bridge/bff/session/channels.ts'
import { type Session, startSession } from '@audience-bridge/bff/session/session.ts'
import type { SessionLookup } from '@audience-bridge/bff/session/sessions.ts'
import { newTicket } from '@audience-bridge/bff/session/ticket.ts'

const key = randomBytes(32)

function newSession(): Session {
  return startSession(
    newTicket({ current: key, all: [key] }),
    {
      user: { sub: 'ben', roles: [] },
      issuer: 'https://idp.example',
      sid: undefined,
      frontend: 'main',
      idpSessionExpiresAt: undefined,
      requested: { scopes: [], resources: [] },
      binding: { agent: undefined, network: undefined },
      agent: undefined,
      raised: false,
      grant: {
        accessToken: '',
        accessExpiresAt: 0,
        refreshToken: undefined,
        refreshExpiresAt: undefined,
        idToken: '',
        scopes: [],
      },
    },
    { createdAt: 0, seenAt: 0, expiresAt: 0 },
  )
}

/** Channels over sessions of which the test says what is known. */
function startChannels(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const old = new Set<Session>()
  const asked: Session[] = []
  let answer: (session: Session) => Promise<SessionLookup> = async (session) => ({
    kind: 'session',
    session,
  })
  const channels = new Channels({
    isOld: (session) => old.has(session),
    limitOf: () => undefined,
    check: (session) => {
      asked.push(session)
      return answer(session)
    },
  })
  return {
    channels,
    old,
    asked,
    answering: (next: typeof answer) => {
      answer = next
    },
    /** A second passes, and what it brings about. */
    look: async () => {
      t.mock.timers.tick(1000)
      await new Promise(setImmediate)
    },
  }
}

test('channels are closed once, with the reason, and only those of the session', (t) => {
  const { channels } = startChannels(t)
  const [mine, yours] = [newSession(), newSession()]
  const closed: string[] = []
  channels.open(mine, (reason) => closed.push(`a ${reason}`))
  channels.open(mine, (reason) => closed.push(`b ${reason}`))
  const leave = channels.open(mine, (reason) => closed.push(`left ${reason}`))
  channels.open(yours, (reason) => closed.push(`yours ${reason}`))
  leave()
  assert.equal(channels.count(), 3)
  channels.end(mine.ticket.id, 'logout')
  channels.end(mine.ticket.id, 'logout')
  assert.deepEqual(closed, ['a logout', 'b logout'])
  assert.equal(channels.count(), 1)
})

test('what is opened for a session that has ended meanwhile is closed at once', (t) => {
  const { channels } = startChannels(t)
  const session = newSession()
  session.ended = true
  const closed: string[] = []
  channels.open(session, (reason) => closed.push(reason))
  assert.deepEqual([closed, channels.count()], [['gone'], 0])
})

test('only sessions that may have ended are asked for, once a second, and no longer than they are open', async (t) => {
  const { channels, old, asked, answering, look } = startChannels(t)
  const [fresh, stale] = [newSession(), newSession()]
  old.add(stale)
  const closed: string[] = []
  channels.open(fresh, () => closed.push('fresh'))
  channels.open(stale, (reason) => closed.push(`stale ${reason}`))
  await look()
  assert.deepEqual([asked, closed], [[stale], []])
  answering(async () => ({ kind: 'ended' }))
  await look()
  assert.deepEqual([asked.length, closed], [2, ['stale gone']])
  await look()
  assert.equal(asked.length, 2)
})

test('while the store is away channels go on, and few are asked for', async (t) => {
  const { channels, old, asked, answering, look } = startChannels(t)
  const closed: string[] = []
  for (let i = 0; i < 500; i++) {
    const session = newSession()
    old.add(session)
    channels.open(session, (reason) => closed.push(reason))
  }
  answering(async () => {
    throw new Error('away')
  })
  await look()
  assert.ok(asked.length > 0 && asked.length < 100, `${asked.length} asked`)
  assert.equal(channels.count(), 500)
  answering(async () => ({ kind: 'ended' }))
  await look()
  await new Promise(setImmediate)
  assert.deepEqual([closed.length, channels.count()], [500, 0])
})

test('a stop is told to all, now and from then on; a session may still end meanwhile', (t) => {
  const { channels } = startChannels(t)
  const session = newSession()
  const told: string[] = []
  channels.open(session, (reason) => told.push(`session ${reason}`))
  channels.open(undefined, (reason) => told.push(`nobody ${reason}`))
  channels.stop()
  channels.open(undefined, (reason) => told.push(`late ${reason}`))
  channels.end(session.ticket.id, 'logout')
  assert.deepEqual(told, ['session stopping', 'nobody stopping', 'late stopping', 'session logout'])
})
