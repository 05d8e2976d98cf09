import type { RetryRules } from './rules.ts'

const WINDOW_MS = 10_000

/**
 * How often requests may be sent again: a share of those of the last ten seconds.
 *
 * The harm without it: a service that cannot keep up gets twice the requests exactly then.
 */
export class RetryBudget {
  /** Requests that were sent again, and that were not, since the start. */
  spent = 0
  refused = 0
  #windowEnd = 0
  #requests = 0
  #retries = 0
  #before = 0

  /** @param now monotonic milliseconds. */
  note(now: number): void {
    if (now >= this.#windowEnd) this.#turn(now)
    this.#requests++
  }

  take({ ratio, minimum }: RetryRules, now: number): boolean {
    if (now >= this.#windowEnd) this.#turn(now)
    if (this.#retries >= Math.max(minimum, ratio * Math.max(this.#requests, this.#before))) {
      this.refused++
      return false
    }
    this.#retries++
    this.spent++
    return true
  }

  #turn(now: number): void {
    // Of the window just before; one that lies further back says nothing of now.
    this.#before = now < this.#windowEnd + WINDOW_MS ? this.#requests : 0
    this.#windowEnd = now + WINDOW_MS
    this.#requests = 0
    this.#retries = 0
  }
}
