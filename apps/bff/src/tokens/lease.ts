import { randomUUID } from 'node:crypto'
import type { SessionStore } from '../session/store.ts'

/** A process that dies leaves its lease for so long; well below the 10 s of our IdP's grace (`grant.ts`). */
const LEASE_MS = 5000
/** Several may fail before the lease is lost: a stalled process or a lost connection is soon back. */
const RENEW_MS = LEASE_MS / 5
/** Who waits is told of the release; it looks by itself, too, because telling can fail. */
const LOOK_MS = 250

export type LeaseOutcome<T> =
  | { kind: 'done'; value: T }
  /** The session has ended. */
  | { kind: 'gone' }
  /** Another process does not let go, or this one is stopping. */
  | { kind: 'busy' }

/**
 * Work on one session that must not be done by two processes at once. Whoever waited for the lease
 * first looks whether the work is done; whoever holds it renews it for as long as the work takes: a
 * lease that is shorter than the work logs users out (two processes send one refresh token).
 */
export class Leases {
  readonly #store: SessionStore
  readonly #patienceMs: () => number
  readonly #waiting = new Map<string, Set<() => void>>()
  readonly #held = new Map<string, { id: string; name: string }>()
  readonly #unwatch: () => void
  #closed = false

  /** @param patienceMs nobody waits longer; longer than a holder's own calls may take. */
  constructor(store: SessionStore, patienceMs: () => number) {
    this.#store = store
    this.#patienceMs = patienceMs
    this.#unwatch = store.watch((news) => {
      if (news.kind === 'released') this.#wake(keyOf(news.id, news.name))
    })
  }

  /**
   * @param look asks the store whether the work is done already; undefined: it is not.
   * @param work gets the fence that its writes to the store must carry.
   * @throws what the store throws when it is away, and what `work` throws.
   */
  async run<T>(
    id: string,
    name: string,
    look: () => Promise<T | undefined>,
    work: (fence: number) => Promise<T>,
  ): Promise<LeaseOutcome<T>> {
    const holder = randomUUID()
    const giveUpAt = performance.now() + this.#patienceMs()
    while (!this.#closed) {
      // Before asking: a release between the answer and the waiting must not be missed.
      const released = this.#released(keyOf(id, name))
      try {
        const lease = await this.#store.acquireLease(id, name, holder, LEASE_MS)
        if (lease.kind === 'gone') return { kind: 'gone' }
        if (lease.kind === 'held') {
          return {
            kind: 'done',
            value: await this.#hold(id, name, holder, lease.fence, look, work),
          }
        }
        if (performance.now() > giveUpAt) return { kind: 'busy' }
        await released.promise
        const value = await look()
        if (value !== undefined) return { kind: 'done', value }
      } finally {
        released.forget()
      }
    }
    return { kind: 'busy' }
  }

  /** Gives back what is still held, so that nobody has to wait for it to run out. */
  async close(): Promise<void> {
    this.#closed = true
    this.#unwatch()
    const held = [...this.#held]
    await Promise.allSettled(
      held.map(([holder, { id, name }]) => this.#store.releaseLease(id, name, holder)),
    )
  }

  async #hold<T>(
    id: string,
    name: string,
    holder: string,
    fence: number,
    look: () => Promise<T | undefined>,
    work: (fence: number) => Promise<T>,
  ): Promise<T> {
    this.#held.set(holder, { id, name })
    // A renewal that fails is no reason to stop: the fence keeps a late write out.
    const renewal = setInterval(() => {
      this.#store.renewLease(id, name, holder, LEASE_MS).catch(() => {})
    }, RENEW_MS)
    try {
      return (await look()) ?? (await work(fence))
    } finally {
      clearInterval(renewal)
      this.#held.delete(holder)
      await this.#store.releaseLease(id, name, holder).catch(() => {})
    }
  }

  #released(key: string): { promise: Promise<void>; forget: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, LOOK_MS * (0.75 + Math.random() / 2))
    const waiting = this.#waiting.get(key) ?? new Set()
    this.#waiting.set(key, waiting.add(resolve))
    const forget = () => {
      clearTimeout(timer)
      waiting.delete(resolve)
      if (waiting.size === 0) this.#waiting.delete(key)
    }
    return { promise, forget }
  }

  #wake(key: string): void {
    for (const wake of this.#waiting.get(key) ?? []) wake()
  }
}

const keyOf = (id: string, name: string) => `${id}/${name}`
