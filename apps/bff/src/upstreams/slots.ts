import type { SlotRules } from './rules.ts'

/** How the waiting for a slot ended; `free`: the slot is the waiter's. */
export type Wait = 'free' | 'full' | 'late' | 'aborted'

interface Waiter {
  end(how: Wait): void
}

/** So many requests of a service at once; a few more wait in the order in which they came. */
export class Slots {
  #rules: SlotRules
  #taken = 0
  readonly #waiting = new Set<Waiter>()

  constructor(rules: SlotRules) {
    this.#rules = rules
  }

  get taken(): number {
    return this.#taken
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /** Nobody overtakes those who wait. */
  tryTake(): boolean {
    if (this.#taken >= this.#rules.requests || this.#waiting.size > 0) return false
    this.#taken++
    return true
  }

  wait(signal: AbortSignal): Promise<Wait> {
    if (signal.aborted) return Promise.resolve('aborted')
    if (this.tryTake()) return Promise.resolve('free')
    if (this.#waiting.size >= this.#rules.queue) return Promise.resolve('full')
    return new Promise((resolve) => {
      const onAbort = () => waiter.end('aborted')
      const late = setTimeout(() => waiter.end('late'), this.#rules.queueMs)
      const waiter: Waiter = {
        end: (how) => {
          this.#waiting.delete(waiter)
          clearTimeout(late)
          signal.removeEventListener('abort', onAbort)
          resolve(how)
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(waiter)
    })
  }

  give(): void {
    this.#taken--
    this.#letIn()
  }

  follow(rules: SlotRules): void {
    this.#rules = rules
    this.#letIn()
  }

  #letIn(): void {
    for (const waiter of this.#waiting) {
      if (this.#taken >= this.#rules.requests) return
      this.#taken++
      waiter.end('free')
    }
  }
}
