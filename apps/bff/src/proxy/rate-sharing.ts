import type { SessionStore } from '../session/store.ts'
import { keyedHash, type StoreKeys } from '../session/ticket.ts'
import type { RateBucket } from './rate-limits.ts'

/** How often processes tell each other what they have let through. */
const ROUND_MS = 200
/**
 * What was taken longer ago than this has refilled, as far as others are concerned: after an outage
 * of the store nobody pays for what each process had rightly let through by itself.
 */
const MAX_AGE_MS = 1000

/**
 * Buckets that several processes share, without a round trip for any request: each decides by what it
 * knows, and five times a second they add up in the store what they have let through. All of it
 * counts: what several let through at once is owed, and is paid back before anything passes again.
 * So at most (processes − 1) buckets pass in excess, once. While the store is away each goes on alone.
 */
export class RateSharing {
  readonly #store: Pick<SessionStore, 'spend'>
  readonly #keys: StoreKeys
  readonly #names = new WeakMap<RateBucket, string>()
  readonly #timer: NodeJS.Timeout | undefined
  #queue: RateBucket[] = []
  #round: Promise<void> | undefined

  constructor(store: Pick<SessionStore, 'spend'>, keys: StoreKeys) {
    this.#store = store
    this.#keys = keys
    if (store.spend === undefined) return
    this.#timer = setInterval(() => {
      this.#round ??= this.#tell().finally(() => {
        this.#round = undefined
      })
    }, ROUND_MS)
    this.#timer.unref()
  }

  readonly spent = (bucket: RateBucket, costMs: number, now: number): void => {
    if (this.#timer === undefined) return
    if (bucket.untoldMs === 0) bucket.untoldSince = now
    bucket.untoldMs += costMs
    if (bucket.queued) return
    bucket.queued = true
    this.#queue.push(bucket)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#round
    await this.#tell()
  }

  async #tell(): Promise<void> {
    const buckets = this.#queue
    if (buckets.length === 0) return
    this.#queue = []
    const now = performance.now()
    const spent = buckets.map((bucket) => {
      const ageMs = Math.min(MAX_AGE_MS, now - bucket.untoldSince)
      const spentMs = Math.min(bucket.untoldMs, bucket.rule.depthMs + ageMs)
      bucket.queued = false
      bucket.untoldMs = 0
      return { name: this.#nameOf(bucket), spentMs, ageMs }
    })
    try {
      const ahead = await this.#store.spend?.(spent)
      const then = performance.now()
      for (const [i, bucket] of buckets.entries()) {
        bucket.wholeAt = then + (ahead?.[i] ?? 0) + bucket.untoldMs
      }
    } catch {
      // Told with what comes next; a bucket that nobody uses any more has nothing to tell.
      for (const [i, bucket] of buckets.entries()) {
        bucket.untoldMs += spent[i]?.spentMs ?? 0
        bucket.untoldSince = Math.min(bucket.untoldSince, now)
      }
    }
  }

  /** Addresses are nobody's business in the store. */
  #nameOf(bucket: RateBucket): string {
    const known = this.#names.get(bucket)
    if (known !== undefined) return known
    const name = keyedHash(this.#keys.current, 'rate', `${bucket.rule.name} ${bucket.caller}`)
    this.#names.set(bucket, name)
    return name
  }
}
