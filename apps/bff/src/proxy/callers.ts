/**
 * How many requests of one caller (a session, or an address without one) may be under way at once.
 *
 * The attack: a few hundred uploads of one byte a second, each of which holds a connection to a
 * backend. Connections are not limited for each backend, so nobody waits behind them; and here no
 * caller gets enough of them to exhaust the process.
 */
export class Callers {
  readonly #underWay = new Map<string, number>()
  readonly #limit: number

  constructor(limit = 128) {
    this.#limit = limit
  }

  /** @returns what to call when the request is over, or undefined when the caller has too many. */
  enter(caller: string): (() => void) | undefined {
    const count = this.#underWay.get(caller) ?? 0
    if (count >= this.#limit) return undefined
    this.#underWay.set(caller, count + 1)
    return () => {
      const left = (this.#underWay.get(caller) ?? 1) - 1
      if (left === 0) this.#underWay.delete(caller)
      else this.#underWay.set(caller, left)
    }
  }
}
