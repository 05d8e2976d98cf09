/**
 * Events about callers without a session: enough to show that somebody knocks, too few to fill the
 * queue and push out what users did. A bucket that refills with the clock.
 */
export class Allowance {
  readonly #perSecond: number
  #left: number
  #filledAt = performance.now()

  constructor(perSecond: number) {
    this.#perSecond = perSecond
    this.#left = perSecond
  }

  take(): boolean {
    const now = performance.now()
    this.#left = Math.min(
      this.#perSecond,
      this.#left + ((now - this.#filledAt) / 1000) * this.#perSecond,
    )
    this.#filledAt = now
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}
