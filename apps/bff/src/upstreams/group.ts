import { Endpoint, REFUSED } from './endpoint.ts'
import { RetryBudget } from './retry-budget.ts'
import type { GroupRules } from './rules.ts'
import { Slots } from './slots.ts'
import { Turn } from './turn.ts'

/** Why nobody is asked now. */
export interface Suspended {
  reason: string
  retrySeconds: number
}

/** The upstreams of one service. */
export class Group {
  readonly service: string
  readonly endpoints: readonly Endpoint[]
  readonly rules: GroupRules
  readonly slots: Slots | undefined
  readonly budget: RetryBudget
  /** Nothing is to be decided: one upstream, always asked. */
  readonly isPlain: boolean
  #first = 0

  /** @param before the same service's until now: what is known of upstreams that stay is kept. */
  constructor(service: string, bases: readonly URL[], rules: GroupRules, before?: Group) {
    this.service = service
    this.endpoints = bases.map(
      (base) =>
        before?.endpoints.find(({ base: { href } }) => href === base.href) ?? new Endpoint(base),
    )
    this.rules = rules
    this.budget = before?.budget ?? new RetryBudget()
    const now = performance.now()
    for (const endpoint of this.endpoints) endpoint.follow(rules, now)
    const { breaker, slots, retries, health } = rules
    this.slots = before?.slots ?? (slots && new Slots(slots))
    // A limit that is gone lets in all who still wait.
    this.slots?.follow(slots ?? { requests: REFUSED, queue: 0, queueMs: 0 })
    this.isPlain = this.endpoints.length === 1 && !breaker && !slots && !retries && !health
  }

  /**
   * The upstream to ask now: the one that has the least to do.
   *
   * @param avoid it has just failed; asked once more only where there is no other one.
   */
  take(now: number, avoid?: URL): Turn | undefined {
    const chosen = this.#choose(now, this.endpoints.length > 1 ? avoid : undefined)
    if (chosen === undefined) return undefined
    if (this.rules.retries !== undefined && avoid === undefined) this.budget.note(now)
    return new Turn(this, chosen)
  }

  #choose(now: number, avoid: URL | undefined): Endpoint | undefined {
    const { endpoints } = this
    const count = endpoints.length
    const { slowStartMs } = this.rules
    // Among equals, each in its turn.
    this.#first = this.#first + 1 < count ? this.#first + 1 : 0
    let chosen: Endpoint | undefined
    let least = REFUSED
    for (let i = 0; i < count; i++) {
      const at = this.#first + i
      const endpoint = endpoints[at < count ? at : at - count]
      if (endpoint === undefined || endpoint.base === avoid) continue
      const load = endpoint.load(now, slowStartMs)
      if (load >= least) continue
      chosen = endpoint
      least = load
    }
    return chosen
  }

  /** Whether a request that failed may be sent once more. */
  mayRetry(sent: number, now: number): boolean {
    const { retries } = this.rules
    if (retries === undefined || sent > retries.attempts) return false
    return this.budget.take(retries, now)
  }

  /** For administrators. */
  view(now: number) {
    return this.endpoints.map((endpoint) => ({
      base_url: endpoint.base.href,
      state: endpoint.state(now),
      under_way: endpoint.underWay,
      suspended_at: endpoint.suspendedAt,
      last_failure: endpoint.lastFailure,
    }))
  }

  /** For whoever was given no turn. */
  suspended(now: number): Suspended {
    const waits = this.endpoints.map((endpoint) => endpoint.waitMs(now))
    const reason = this.endpoints
      .map(
        ({ base, suspendedAt, lastFailure }) =>
          `${base.href} since ${suspendedAt}, last failure at ${lastFailure?.at}: ${lastFailure?.reason}`,
      )
      .join('; ')
    return { reason, retrySeconds: Math.max(1, Math.ceil(Math.min(...waits) / 1000)) }
  }
}
