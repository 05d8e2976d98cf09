import type { Endpoint } from './endpoint.ts'
import type { Group } from './group.ts'

/** The right to ask one upstream once; told what came of it, and when it is over. */
export class Turn {
  readonly endpoint: Endpoint
  readonly #group: Group
  readonly #epoch: number
  readonly #probe: boolean
  #over = false

  constructor(group: Group, endpoint: Endpoint) {
    this.endpoint = endpoint
    this.#group = group
    this.#epoch = endpoint.epoch
    this.#probe = endpoint.enter()
  }

  /** The head of an answer is there. */
  heard(status: number): void {
    const { breaker } = this.#group.rules
    if (breaker?.statuses.has(status)) return this.failed(`it answered ${status}`)
    this.endpoint.answered(this.#epoch, this.#probe, performance.now())
  }

  failed(reason: string): void {
    this.endpoint.failed(this.#epoch, reason, performance.now(), this.#group.rules)
  }

  /** The request is over, whatever came of it. */
  leave(): void {
    if (this.#over) return
    this.#over = true
    this.endpoint.leave(this.#epoch, this.#probe)
  }
}
