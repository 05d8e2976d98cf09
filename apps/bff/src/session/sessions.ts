import type { SessionUser } from '@audience-bridge/contracts/session.ts'
import type { Clock } from '@audience-bridge/kit/clock.ts'
import {
  type Grant,
  grantOf,
  type LoginRequest,
  limitPassed,
  recordOf,
  type ServiceToken,
  type Session,
  type SessionEnd,
  type SessionRecord,
} from './session.ts'
import type { SessionStore } from './store.ts'
import { newTicket, readTicket, seal, unseal } from './ticket.ts'

export interface SessionLimits {
  idleSeconds: number
  absoluteSeconds: number
}

export type SessionLookup =
  | { kind: 'session'; session: Session }
  /** No cookie, or one that cannot be ours. */
  | { kind: 'none' }
  /** A cookie of a session that ended. */
  | { kind: 'ended' }

/** Activity is written to the store at most this often for each session, in seconds. */
const TOUCH_SECONDS = 60

/**
 * A session of a shared store is trusted this long before the store is asked again, in milliseconds:
 * until then another node's logout is not known here, and neither is that the store is away.
 */
const TRUST_MS = 1000

/**
 * The sessions of this process: the store's records, opened once and then shared in memory by the
 * cookie's value, so that a request costs one map look-up and no cryptography. At most `maxCached`
 * are held, about 6 KB each; the longest unused goes first and is read again when it comes back.
 * Where other nodes share the store, a session in use costs one more reading a second.
 */
export class Sessions {
  readonly #store: SessionStore
  readonly #key: Buffer
  readonly #clock: Clock
  readonly #limits: () => SessionLimits
  readonly #maxCached: number
  readonly #observe: { created(): void; ended(reason: SessionEnd): void } | undefined
  readonly #cache = new Map<string, Session>()
  readonly #opening = new Map<string, Promise<SessionLookup>>()

  constructor(deps: {
    store: SessionStore
    storeKey: Buffer
    clock: Clock
    limits: () => SessionLimits
    maxCached?: number
    /** Told of each login and each end, for counting. */
    observe?: { created(): void; ended(reason: SessionEnd): void }
  }) {
    this.#store = deps.store
    this.#key = deps.storeKey
    this.#clock = deps.clock
    this.#limits = deps.limits
    this.#observe = deps.observe
    this.#maxCached = deps.maxCached ?? 10_000
  }

  async create(login: {
    user: SessionUser
    sid: string | undefined
    grant: Grant
    requested: LoginRequest
  }): Promise<Session> {
    const ticket = newTicket(this.#key)
    const now = this.#clock()
    const session: Session = {
      ...login,
      ticket,
      createdAt: now,
      expiresAt: now + this.#limits().absoluteSeconds,
      seenAt: now,
      touchedAt: now,
      checkedAt: performance.now(),
      version: 1,
      tokens: new Map(),
      ended: false,
    }
    await this.#store.insertSession(ticket.id, {
      sealed: seal(ticket.dataKey, ticket.id, recordOf(session)),
      createdAt: now,
      seenAt: now,
      expiresAt: session.expiresAt,
    })
    this.#remember(session)
    this.#observe?.created()
    return session
  }

  /** The cached session, without waiting; undefined when the store must be asked. */
  peek(cookie: string): Session | undefined {
    const session = this.#cache.get(cookie)
    if (session === undefined || session.ended || this.#isOld(session)) return undefined
    return limitPassed(session, this.#clock(), this.#limits().idleSeconds) ? undefined : session
  }

  /** @throws whatever the store throws when it is away. */
  async find(cookie: string | undefined): Promise<SessionLookup> {
    if (cookie === undefined) return { kind: 'none' }
    const cached = this.#cache.get(cookie)
    if (cached !== undefined && !this.#isOld(cached)) return this.#judge(cached)
    let opening = this.#opening.get(cookie)
    if (opening === undefined) {
      const asked = cached === undefined ? this.#open(cookie) : this.#check(cached)
      opening = asked.finally(() => this.#opening.delete(cookie))
      this.#opening.set(cookie, opening)
    }
    return opening
  }

  /** Notes that the session was used; the store learns of it once a minute. */
  touch(session: Session): void {
    const now = this.#clock()
    session.seenAt = now
    const every = Math.min(TOUCH_SECONDS, this.#limits().idleSeconds / 4)
    if (now - session.touchedAt < every) return
    session.touchedAt = now
    // Losing one touch shortens an idle limit by a minute; the request must not wait for it.
    this.#store.touchSession(session.ticket.id, now).catch(() => {})
  }

  /**
   * Keeps a renewed grant.
   *
   * @returns false when the session ended meanwhile or another process renewed it first.
   */
  async replaceGrant(session: Session, grant: Grant): Promise<boolean> {
    const { ticket } = session
    const sealed = seal(ticket.dataKey, ticket.id, recordOf({ ...session, grant }))
    // In memory first: the IdP has rotated already, and the old token must not be sent again even
    // when the store cannot take the new one.
    session.grant = grant
    const { version } = session
    if (!(await this.#store.replaceSession(ticket.id, sealed, version))) return false
    // A check may have read the new version meanwhile.
    session.version = Math.max(session.version, version + 1)
    return true
  }

  async keepToken(session: Session, token: ServiceToken): Promise<void> {
    if (session.ended) return
    session.tokens.set(token.service, token)
    const { ticket } = session
    const sealed = seal(ticket.dataKey, tokenContext(ticket.id, token.service), token)
    await this.#store.writeToken(ticket.id, token.service, sealed, token.expiresAt)
  }

  async dropToken(session: Session, service: string): Promise<void> {
    session.tokens.delete(service)
    await this.#store.deleteToken(session.ticket.id, service)
  }

  async end(session: Session, reason: SessionEnd): Promise<void> {
    if (!session.ended) this.#observe?.ended(reason)
    session.ended = true
    session.tokens.clear()
    this.#cache.delete(session.ticket.cookie)
    await this.#store.deleteSession(session.ticket.id)
  }

  #isOld(session: Session): boolean {
    return this.#store.shared && performance.now() - session.checkedAt >= TRUST_MS
  }

  /** Brings a session that is in use here up to what other nodes have made of it. */
  async #check(session: Session): Promise<SessionLookup> {
    const { ticket } = session
    const askedAt = performance.now()
    const stored = await this.#store.readSession(ticket.id)
    const record = stored && (unseal(ticket.dataKey, ticket.id, stored.sealed) as SessionRecord)
    if (stored === undefined || record?.v !== 1) {
      session.ended = true
      session.tokens.clear()
      this.#cache.delete(ticket.cookie)
      return { kind: 'ended' }
    }
    if (stored.version > session.version) {
      session.grant = grantOf(record)
      session.version = stored.version
    }
    session.seenAt = Math.max(session.seenAt, stored.seenAt)
    session.checkedAt = askedAt
    return this.#judge(session)
  }

  async #open(cookie: string): Promise<SessionLookup> {
    const ticket = readTicket(cookie, this.#key)
    if (ticket === undefined) return { kind: 'none' }
    const askedAt = performance.now()
    const stored = await this.#store.readSession(ticket.id)
    if (stored === undefined) return { kind: 'ended' }
    const record = unseal(ticket.dataKey, ticket.id, stored.sealed) as SessionRecord | undefined
    if (record?.v !== 1) return { kind: 'ended' }
    const tokens = new Map<string, ServiceToken>()
    for (const [service, sealed] of await this.#store.readTokens(ticket.id)) {
      const token = unseal(ticket.dataKey, tokenContext(ticket.id, service), sealed)
      if (token !== undefined) tokens.set(service, token as ServiceToken)
    }
    const session: Session = {
      ticket,
      user: record.user,
      sid: record.sid,
      grant: grantOf(record),
      requested: record.requested,
      createdAt: stored.createdAt,
      seenAt: stored.seenAt,
      touchedAt: stored.seenAt,
      checkedAt: askedAt,
      expiresAt: stored.expiresAt,
      version: stored.version,
      tokens,
      ended: false,
    }
    const lookup = await this.#judge(session)
    if (lookup.kind === 'session') this.#remember(session)
    return lookup
  }

  async #judge(session: Session): Promise<SessionLookup> {
    if (session.ended) return { kind: 'ended' }
    const passed = limitPassed(session, this.#clock(), this.#limits().idleSeconds)
    if (passed === undefined) return { kind: 'session', session }
    await this.end(session, passed)
    return { kind: 'ended' }
  }

  #remember(session: Session): void {
    if (this.#cache.size >= this.#maxCached) this.#forgetOldest()
    this.#cache.set(session.ticket.cookie, session)
  }

  /** Drops a tenth of the cache, the longest unused first. */
  #forgetOldest(): void {
    const oldest = [...this.#cache.values()].sort((a, b) => a.seenAt - b.seenAt)
    for (const session of oldest.slice(0, Math.ceil(this.#maxCached / 10))) {
      this.#cache.delete(session.ticket.cookie)
    }
  }
}

/** A token's record opens under its own session and service alone. */
const tokenContext = (id: string, service: string) => `${id}/${service}`
