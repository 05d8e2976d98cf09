const TICK_MS = 50

/**
 * Monotonic time in milliseconds, at most 50 ms old: deadlines of thousands of connections cost one
 * look at each of them a tick instead of a timer for each request.
 */
export class CoarseClock {
  now = performance.now()
  readonly #timer: NodeJS.Timeout

  /** @param tick called with the new time. */
  constructor(tick: (now: number) => void) {
    this.#timer = setInterval(() => {
      this.now = performance.now()
      tick(this.now)
    }, TICK_MS)
    this.#timer.unref()
  }

  /** When `ms` will have passed for certain. */
  after(ms: number): number {
    return this.now + ms + TICK_MS
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
