/*
 * Keeps calls away from a server that does not answer. After a failure all calls fail at once for a
 * while (half a second, doubling to ten, jittered so that nodes do not come back in step); then exactly
 * one goes through as a probe while the others still fail at once. Its success opens the way for all.
 */

/** How a call ended. */
export type CallEnd =
  | { kind: 'up' }
  /** @param waitMs how long the server asks to be left alone. */
  | { kind: 'down'; waitMs?: number | undefined }
  /** Nothing is known of the server by it. */
  | { kind: 'unsaid' }

/** The right to make one call; told once how it ended. */
export interface Pass {
  probe: boolean
  end(how: CallEnd): void
}

const FIRST_MS = 500
const LONGEST_MS = 10_000
/** A server may ask for hours; a probe each minute harms nobody. */
const LONGEST_ASKED_MS = 60_000

export class Circuit {
  readonly #now: () => number
  readonly #random: () => number
  #failures = 0
  /** Undefined while calls go through. */
  #closedUntil: number | undefined
  #probing = false
  /** Changes when the circuit opens or closes: calls of before say nothing of now. */
  #epoch = 0

  /** @param now monotonic milliseconds. */
  constructor(now: () => number = () => performance.now(), random: () => number = Math.random) {
    this.#now = now
    this.#random = random
  }

  get isUp(): boolean {
    return this.#closedUntil === undefined
  }

  /** In how many milliseconds it is worth trying again. */
  get waitMs(): number {
    return Math.max(0, (this.#closedUntil ?? 0) - this.#now())
  }

  /** @returns undefined when the call must fail at once. */
  enter(): Pass | undefined {
    const probe = this.#closedUntil !== undefined
    if (probe) {
      if (this.#probing || this.waitMs > 0) return undefined
      this.#probing = true
    }
    const epoch = this.#epoch
    let ended = false
    return {
      probe,
      end: (how) => {
        if (ended) return
        ended = true
        if (probe) this.#probing = false
        // Many calls that were under way together fail together: that is one failure, not many.
        if (epoch !== this.#epoch) return
        if (how.kind === 'down') this.#goDown(how.waitMs)
        else if (how.kind === 'up' && probe) this.#goUp()
      },
    }
  }

  #goDown(askedMs: number | undefined): void {
    const backoff = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures)
    const jittered = backoff * (0.75 + this.#random() / 2)
    this.#failures += 1
    this.#epoch += 1
    this.#closedUntil = this.#now() + Math.max(jittered, Math.min(askedMs ?? 0, LONGEST_ASKED_MS))
  }

  #goUp(): void {
    this.#failures = 0
    this.#epoch += 1
    this.#closedUntil = undefined
  }
}
