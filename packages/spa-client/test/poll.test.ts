import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionNews } from '../src/client.ts'
import { liveSession, NO_SESSION, openPage, startStandIn } from './stand-in.ts'

const SESSION = '/api/auth/session'

test('without EventSource a page asks, and warns by itself', async (t) => {
  assert.equal(typeof EventSource, 'undefined')
  const at = new Date(Date.now() + 100_000).toISOString()
  const { body } = liveSession('t')
  const bff = await startStandIn(t, () => ({
    body: { ...(body as object), ends: { at, by: 'absolute' } },
  }))
  const { client } = openPage(t, bff)
  const news = await new Promise<SessionNews>((resolve) => client.watch(resolve))
  assert.deepEqual(news, { type: 'expiring', at: new Date(at), by: 'absolute' })
  assert.deepEqual(new Set(bff.seen.map(({ url }) => url)), new Set([SESSION]))
})

test('of several tabs one asks', async (t) => {
  const bff = await startStandIn(t, () => NO_SESSION)
  const pages = Array.from({ length: 3 }, () => openPage(t, bff))
  const stops = pages.map(({ client }) => client.watch(() => {}))
  const { locks } = globalThis.navigator
  const name = `audience-bridge:events:${bff.origin}/`
  const { held = [], pending = [] } = await locks.query()
  assert.equal(held.filter((lock) => lock.name === name).length, 1)
  assert.equal(pending.filter((lock) => lock.name === name).length, 2)
  for (const stop of stops) stop()
})
