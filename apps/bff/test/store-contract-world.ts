import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import type { NewSession, SessionStore } from '@audience-bridge/bff/session/store.ts'
import { until } from '@audience-bridge/testkit/wait.ts'

/** Opens a handle of the same store each time; the handles may live at once. */
export type OpenStore = () => SessionStore

/** One test, with two handles of a store. */
export type Run = (
  what: string,
  body: (a: SessionStore, b: SessionStore, open: OpenStore) => unknown,
) => void

export const bytes = (text: string) => Buffer.from(text)
export const text = (sealed: Uint8Array | undefined) => sealed && Buffer.from(sealed).toString()
export const newId = () => randomBytes(32).toString('hex')

/** Times lie ahead: a store may delete by itself what is past. */
const BEGAN = Math.floor(Date.now() / 1000)
export const at = (seconds: number) => BEGAN + seconds

/** A store on another machine may still be connecting. */
export const isOpen = (store: SessionStore) =>
  until('the store', () =>
    store.ping().then(
      () => true,
      () => false,
    ),
  )

/** That what others do is told to this one. */
export const isHearing = (store: SessionStore) =>
  until('the hearing', () => {
    const { since, provenAt } = store.hearing
    const now = performance.now()
    return since <= now && now - provenAt < 1_000
  })

export const session = (over: Partial<NewSession> = {}): NewSession => ({
  sealed: bytes('record'),
  card: bytes('card'),
  keys: [],
  createdAt: at(1_000),
  seenAt: at(1_000),
  expiresAt: at(9_000),
  ...over,
})

export const contractRunner =
  (name: string, prepare: (t: TestContext) => OpenStore): Run =>
  (what, body) =>
    test(`${name}: ${what}`, async (t) => {
      const open = prepare(t)
      const [a, b] = [open(), open()]
      try {
        await Promise.all([a, b].map(isOpen))
        await body(a, b, open)
      } finally {
        await a.close()
        await b.close()
      }
    })
