/** At most so many at a time; the others, up to a number of their own, wait in the order in which they came. */
export class Turnstile {
  readonly #places: number
  readonly #queue: number
  #inside = 0
  readonly #waiting = new Set<{ enter(): void; refuse(cause: unknown): void }>()

  constructor(places: number, queue = Infinity) {
    this.#places = places
    this.#queue = queue
  }

  /** Whoever comes now must be sent away. */
  get isFull(): boolean {
    return this.#inside >= this.#places && this.#waiting.size >= this.#queue
  }

  /**
   * @param signal ends the waiting; its reason is thrown.
   * @returns gives the place back.
   */
  async enter(signal: AbortSignal | undefined): Promise<() => void> {
    signal?.throwIfAborted()
    if (this.#inside < this.#places) this.#inside += 1
    else await this.#wait(signal)
    let left = false
    return () => {
      if (left) return
      left = true
      this.#leave()
    }
  }

  /** Sends away all who wait. */
  clear(cause: () => unknown): void {
    for (const waiter of this.#waiting) waiter.refuse(cause())
  }

  #leave(): void {
    const [next] = this.#waiting
    if (next === undefined) this.#inside -= 1
    else next.enter()
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = () => {
        this.#waiting.delete(waiter)
        signal?.removeEventListener('abort', onAbort)
      }
      const waiter = {
        enter: () => {
          done()
          resolve()
        },
        refuse: (cause: unknown) => {
          done()
          reject(cause)
        },
      }
      const onAbort = () => waiter.refuse(signal?.reason)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(waiter)
    })
  }
}
