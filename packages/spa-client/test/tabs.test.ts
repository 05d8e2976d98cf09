import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDepartures, type Departures } from '../src/departure.ts'
import { liveSession, NO_SESSION, openPage, startStandIn } from './stand-in.ts'

test('tabs that set out in the same moment agree on one', async () => {
  const left: number[] = []
  const tabs: Departures[] = Array.from({ length: 4 }, (_, index) => {
    const storage = new Map<string, string>()
    return createDepartures(
      {
        navigate: () => left.push(index),
        now: Date.now,
        isVisible: () => true,
        storage: () => ({
          getItem: (key) => storage.get(key) ?? null,
          setItem: (key, value) => void storage.set(key, value),
        }),
        stayMs: 0,
      },
      () => ({
        // Each has begun before it hears of the others.
        tell(message) {
          const others = tabs.filter((_, other) => other !== index)
          if (message.type === 'leaving') setImmediate(() => others.map((tab) => tab.hear(message)))
          return true
        },
        close() {},
      }),
    )
  })
  await Promise.all(tabs.map((tab) => tab.leave('login', 'http://x/', () => true)))
  assert.equal(left.length, 1)
})

test('a change is told once, however many tabs ask after it', async (t) => {
  const bff = await startStandIn(t, () => NO_SESSION)
  const pages = Array.from({ length: 4 }, () => openPage(t, bff))
  await Promise.all(pages.map(({ client }) => client.session()))

  const channels = [0, 1].map(() => new BroadcastChannel(`audience-bridge:${bff.origin}/`))
  t.after(() => channels.map((channel) => channel.close()))
  const [heard, last] = channels as [BroadcastChannel, BroadcastChannel]
  const told: string[] = []
  const end = new Promise<void>((resolve) => {
    heard.onmessage = (event) => {
      const { type } = (event as MessageEvent<{ type: string }>).data
      told.push(type)
      if (type === 'end') resolve()
    }
  })
  const changed = pages.map(
    ({ client }) => new Promise((resolve) => client.onSessionChange(resolve)),
  )
  bff.answer = () => liveSession('t')
  await pages[0]?.client.session()
  await Promise.all(changed)
  last.postMessage({ type: 'end' })
  await end
  assert.deepEqual(told, ['changed', 'end'])
})
