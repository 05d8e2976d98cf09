import type { GroupRules } from './rules.ts'

/** What is known of an upstream, for administrators. */
export type EndpointState = 'up' | 'unhealthy' | 'suspended' | 'probing'

export interface LastFailure {
  reason: string
  /** RFC 3339. */
  at: string
}

/** The least share of requests that an upstream gets when it has just come back. */
const FIRST_SHARE = 0.1
/** Behind all who are well, and by how much they have to do among themselves. */
const LAST = 1e9
export const REFUSED = Number.POSITIVE_INFINITY

/**
 * One upstream: how much it has to do, and whether it may be asked. After some failures in a row it is
 * suspended; when its time is over exactly one request tries it, and the next failure suspends it anew.
 * Health checks only say whom to prefer: a mistyped path must not take a whole service away.
 */
export class Endpoint {
  readonly base: URL
  underWay = 0
  lastFailure: LastFailure | undefined
  /** When it was suspended, RFC 3339. */
  suspendedAt: string | undefined
  /** How often it was suspended. */
  breaks = 0
  #failures = 0
  /** 0 while it may be asked. */
  #openUntil = 0
  #probing = false
  /** Changes whenever it is suspended or comes back: what was under way before says nothing of now. */
  #epoch = 0
  #healthy = true
  /** Checks in a row that were answered, and that were not. */
  #well = 0
  #unwell = 0
  /** When it came back. */
  #backAt = Number.NEGATIVE_INFINITY

  constructor(base: URL) {
    this.base = base
  }

  state(now: number): EndpointState {
    if (this.#openUntil > 0) return now < this.#openUntil ? 'suspended' : 'probing'
    return this.#healthy ? 'up' : 'unhealthy'
  }

  get epoch(): number {
    return this.#epoch
  }

  /** In how many milliseconds it may be tried again. */
  waitMs(now: number): number {
    return Math.max(0, this.#openUntil - now)
  }

  /** The least is asked first. */
  load(now: number, slowStartMs: number): number {
    if (this.#openUntil > 0) return this.#probing || now < this.#openUntil ? REFUSED : -1
    const load = this.underWay + 1
    if (!this.#healthy) return LAST + load
    const back = now - this.#backAt
    return back >= slowStartMs ? load : load / Math.max(FIRST_SHARE, back / slowStartMs)
  }

  /** @returns whether this request is the one that tries a suspended upstream. */
  enter(): boolean {
    this.underWay++
    if (this.#openUntil === 0 || this.#probing) return false
    this.#probing = true
    return true
  }

  leave(epoch: number, probe: boolean): void {
    this.underWay--
    // Given up before anything was known: the next one tries.
    if (probe && epoch === this.#epoch) this.#probing = false
  }

  /** @param epoch of when the request was sent. */
  answered(epoch: number, probe: boolean, now: number): void {
    if (epoch !== this.#epoch) return
    this.#failures = 0
    if (probe) this.#comeBack(now)
  }

  failed(epoch: number, reason: string, now: number, { breaker }: GroupRules): void {
    this.lastFailure = { reason, at: new Date().toISOString() }
    // Those that were under way together fail together: that is one suspension, not many.
    if (epoch !== this.#epoch) return
    this.#failures++
    const trying = this.#openUntil > 0
    if (breaker === undefined || (!trying && this.#failures < breaker.failures)) return
    this.#openUntil = now + breaker.openMs
    this.suspendedAt ??= this.lastFailure.at
    if (!trying) this.breaks++
    this.#probing = false
    this.#well = 0
    this.#epoch++
  }

  /** A health check was answered, or not. */
  checked(reason: string | undefined, now: number, { health }: GroupRules): void {
    if (health === undefined) return
    if (reason !== undefined) {
      this.lastFailure = { reason, at: new Date().toISOString() }
      this.#well = 0
      if (++this.#unwell >= health.unhealthyAfter) this.#healthy = false
      return
    }
    this.#unwell = 0
    const away = !this.#healthy || this.#openUntil > 0
    if (++this.#well < health.healthyAfter || !away) return
    this.#healthy = true
    this.#comeBack(now)
  }

  /** The rules have changed: what they no longer ask for is over. */
  follow({ breaker, health }: GroupRules, now: number): void {
    if (health === undefined) this.#healthy = true
    if (breaker === undefined && this.#openUntil > 0) this.#comeBack(now)
    else if (breaker !== undefined && this.#openUntil > now + breaker.openMs) {
      this.#openUntil = now + breaker.openMs
    }
  }

  #comeBack(now: number): void {
    this.#openUntil = 0
    this.#failures = 0
    this.#probing = false
    this.#epoch++
    this.#backAt = now
    this.suspendedAt = undefined
  }
}
