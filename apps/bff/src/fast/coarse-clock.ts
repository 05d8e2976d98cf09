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
      // What came while this process was busy is read first.
      setImmediate(() => tick(this.now))
    }, TICK_MS)
    this.#timer.unref()
  }

  /** When `ms` will have passed for certain. */
  after(ms: number): number {
    // Not from `now`: after a stall it is as old as that, and the deadline would come too early.
    return performance.now() + ms
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
