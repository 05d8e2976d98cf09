import type { RateRule } from '../rates.ts'

/**
 * Token buckets, each as one number (GCRA): when it will be whole again. A request moves that by the
 * time in which it refills, and is refused where it would lie further ahead than the bucket is deep.
 * Nothing runs on a clock, and a request costs two look-ups and an addition.
 */
export class RateLimits {
  #young = new Map<string, Map<string, RateBucket>>()
  #old = new Map<string, Map<string, RateBucket>>()
  #count = 0
  readonly #maxBuckets: number
  readonly #spent: Spent | undefined

  /** @param spent is told of what was taken, to be shared with other processes. */
  constructor(spent?: Spent, maxBuckets = 50_000) {
    this.#spent = spent
    this.#maxBuckets = maxBuckets
  }

  /**
   * Takes a request from the caller's bucket; refused ones take nothing.
   *
   * @param now milliseconds on the monotonic clock.
   * @param requests 0: only looks.
   * @returns in how many milliseconds the bucket is whole; negative: refused, and for how long.
   */
  take(rule: RateRule, caller: string, now: number, requests: 0 | 1 = 1): number {
    const bucket = this.#bucket(rule, caller, now)
    const from = Math.max(now, bucket.wholeAt)
    const cost = rule.costMs * requests
    const ahead = from - now + cost
    if (ahead > rule.depthMs + ROUNDING_MS) return rule.depthMs - ahead
    if (cost === 0) return ahead
    bucket.wholeAt = from + cost
    this.#spent?.(bucket, cost, now)
    return ahead
  }

  /**
   * The attack: requests from ever new addresses, each of which leaves a bucket behind. Those that
   * were not used while so many others came are forgotten, at most twice as many are kept; whoever
   * has that many addresses gains nothing by one fresh bucket more.
   */
  #bucket(rule: RateRule, caller: string, now: number): RateBucket {
    const young = this.#young.get(rule.name)
    const known = young?.get(caller)
    if (known !== undefined) return known
    const bucket = this.#old.get(rule.name)?.get(caller) ?? newBucket(rule, caller, now)
    bucket.rule = rule
    if (this.#count >= this.#maxBuckets) {
      this.#old = this.#young
      this.#young = new Map()
      this.#count = 0
    }
    this.#count++
    const of = this.#young.get(rule.name)
    if (of === undefined) this.#young.set(rule.name, new Map([[caller, bucket]]))
    else of.set(caller, bucket)
    return bucket
  }
}

type Spent = (bucket: RateBucket, costMs: number, now: number) => void

/** Sums of parts of a millisecond are not exact. */
const ROUNDING_MS = 1e-3

export interface RateBucket {
  rule: RateRule
  readonly caller: string
  /** When all of it is there again, on the monotonic clock. */
  wholeAt: number
  /** Taken here, and not yet told to the other processes. */
  untoldMs: number
  /** When the first of that was taken. */
  untoldSince: number
  /** Among those that will be told next. */
  queued: boolean
}

const newBucket = (rule: RateRule, caller: string, now: number): RateBucket => ({
  ...{ rule, caller, wholeAt: now, untoldMs: 0, untoldSince: now, queued: false },
})
