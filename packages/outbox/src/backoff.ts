/** Exponential delays with jitter: many senders that lost one receiver do not come back as one. */
export interface Backoff {
  /** Milliseconds until the next attempt; longer after each call. */
  next(): number
  reset(): void
}

/** @param random in [0, 1); each delay is between half of its nominal length and the whole. */
export function createBackoff(firstMs: number, maxMs: number, random = Math.random): Backoff {
  let nominal = firstMs
  return {
    next() {
      const delay = nominal / 2 + (nominal / 2) * random()
      nominal = Math.min(nominal * 2, maxMs)
      return delay
    },
    reset() {
      nominal = firstMs
    },
  }
}
