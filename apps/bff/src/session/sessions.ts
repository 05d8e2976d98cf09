import type { SessionUser } from '@audience-bridge/contracts/session.ts'
import type { Clock } from '@audience-bridge/kit/clock.ts'
import { SessionCache } from './cache.ts'
import { keysOf } from './card.ts'
import { openSession, openToken, sealSession, sealToken } from './sealed.ts'
import {
  type Grant,
  limitPassed,
  type ServiceToken,
  type Session,
  type SessionEnd,
  type SessionOrigin,
  startSession,
} from './session.ts'
import type { SessionStore } from './store.ts'
import { newTicket, readTickets, type StoreKeys, type Ticket } from './ticket.ts'

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

/** A session that a login has made. */
export interface NewLogin extends SessionOrigin {
  user: SessionUser
  grant: Grant
}

/** Told of each login and of each end that this process brought about, for counting. */
export interface SessionObserver {
  created(): void
  ended(reason: SessionEnd): void
}

/** Told of each session that ends, whichever process ended it. */
export type EndListener = (id: string, reason: string) => void

/** Activity is written to the store at most this often for each session, in seconds. */
const TOUCH_SECONDS = 60

/**
 * How long a session is trusted, in milliseconds, after the last proof that its end would have been
 * heard here; where nothing can be heard, after it was last read.
 */
const TRUST_MS = 1000

/**
 * The sessions of this process: the store's records, opened once and then shared in memory by the
 * cookie's value, so that a request costs one map look-up and no cryptography. They are held
 * in at most `maxBytes`; what was not used for long goes first and is read again when it comes back.
 * Where other nodes share the store, what they end is heard at once and ends here, too.
 */
export class Sessions {
  readonly #store: SessionStore
  readonly #keys: StoreKeys
  readonly #clock: Clock
  readonly #limits: () => SessionLimits
  readonly #observe: SessionObserver
  readonly #cache: SessionCache
  readonly #opening = new Map<string, Promise<SessionLookup>>()
  /** Sessions that are just being read: what is told of them meanwhile must not be missed. */
  readonly #arriving = new Map<string, { ended: boolean; changed: boolean }>()
  readonly #endListeners = new Set<EndListener>()
  readonly #unwatch: () => void

  constructor(deps: {
    store: SessionStore
    storeKeys: StoreKeys
    clock: Clock
    limits: () => SessionLimits
    maxBytes: () => number
    observe: SessionObserver
  }) {
    this.#store = deps.store
    this.#keys = deps.storeKeys
    this.#clock = deps.clock
    this.#limits = deps.limits
    this.#observe = deps.observe
    this.#cache = new SessionCache(deps.maxBytes)
    this.#unwatch = deps.store.watch((news) => {
      if (news.kind === 'ended') this.#hearEnd(news.id, news.reason)
      else if (news.kind === 'changed') this.#hearChange(news.id)
    })
  }

  close(): void {
    this.#unwatch()
  }

  /** @returns a function that takes the listener away. */
  onEnd(listener: EndListener): () => void {
    this.#endListeners.add(listener)
    return () => this.#endListeners.delete(listener)
  }

  async create(login: NewLogin): Promise<Session> {
    const now = this.#clock()
    const expiresAt = Math.min(
      now + this.#limits().absoluteSeconds,
      login.idpSessionExpiresAt ?? Infinity,
    )
    const times = { createdAt: now, seenAt: now, expiresAt }
    const session = startSession(newTicket(this.#keys), { ...login, raised: false }, times)
    await this.#insert(session)
    this.#observe.created()
    return session
  }

  /** The cached session, without waiting; undefined when the store must be asked. */
  peek(cookie: string): Session | undefined {
    const session = this.#cache.get(cookie)
    if (session === undefined || session.ended || this.isOld(session)) return undefined
    return limitPassed(session, this.#clock(), this.#limits().idleSeconds) ? undefined : session
  }

  /** @throws whatever the store throws when it is away. */
  async find(cookie: string | undefined): Promise<SessionLookup> {
    if (cookie === undefined) return { kind: 'none' }
    const cached = this.#cache.get(cookie)
    if (cached !== undefined && !this.isOld(cached)) return this.#judge(cached)
    let opening = this.#opening.get(cookie)
    if (opening === undefined) {
      const asked = cached === undefined ? this.#open(cookie) : this.check(cached)
      opening = asked.finally(() => this.#opening.delete(cookie))
      this.#opening.set(cookie, opening)
    }
    return opening
  }

  /** Whether the store must be asked before this session is trusted again. */
  isOld({ checkedAt }: Session): boolean {
    const { since, provenAt } = this.#store.hearing
    const now = performance.now()
    if (checkedAt >= since && now - provenAt < TRUST_MS) return false
    return now - checkedAt >= TRUST_MS
  }

  /** The limit that a session has passed, by what is known of it here. */
  limitOf(session: Session): 'idle' | 'absolute' | undefined {
    return limitPassed(session, this.#clock(), this.#limits().idleSeconds)
  }

  /** Brings a session that is in use here up to what other nodes have made of it. */
  async check(session: Session): Promise<SessionLookup> {
    return (await this.#reread(session)) ? this.#judge(session) : { kind: 'ended' }
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
   * Keeps a renewed grant, and what the IdP now says of the user. A role that is gone is gone at
   * once; one that is new holds from the next login on, because whoever came to know this session's
   * id before must not rise with its user (session fixation).
   *
   * @returns `newer` when another process renewed it first: then the session has that one's grant.
   */
  async replaceGrant(
    session: Session,
    grant: Grant,
    user?: SessionUser,
  ): Promise<'kept' | 'newer' | 'ended'> {
    const { ticket, version } = session
    const said = user === undefined ? pick(session) : withoutNewRoles(session.user, user)
    const { sealed, card } = sealSession({ ...session, ...said, grant }, ticket, this.#keys)
    // In memory first: the IdP has rotated already, and the old token must not be sent again even
    // when the store cannot take the new one.
    session.grant = grant
    this.#cache.weigh(session)
    // Backends decide by the roles in their tokens. First in the store: whoever is told of the new
    // record reads the tokens after it.
    if (!sameRoles(session.user, said.user)) await this.#dropTokens(session)
    Object.assign(session, said)
    if (await this.#store.replaceSession(ticket.id, sealed, version, card)) {
      // A check may have read the new version meanwhile.
      session.version = Math.max(session.version, version + 1)
      return 'kept'
    }
    session.version = 0
    return (await this.#reread(session)) ? 'newer' : 'ended'
  }

  /** The token that another process may have kept for a service since. */
  async rereadToken(session: Session, service: string): Promise<ServiceToken | undefined> {
    const sealed = (await this.#store.readTokens(session.ticket.id)).get(service)
    const token = sealed && openToken(session.ticket, service, sealed)
    if (token !== undefined && !session.ended) {
      session.tokens.set(service, token)
      this.#cache.weigh(session)
    }
    return token
  }

  /** @param fence of the lease under which the token was minted. */
  async keepToken(session: Session, token: ServiceToken, fence: number): Promise<void> {
    if (session.ended) return
    session.tokens.set(token.service, token)
    this.#cache.weigh(session)
    const { ticket } = session
    const sealed = sealToken(ticket, token)
    await this.#store.writeToken(ticket.id, token.service, sealed, token.expiresAt, fence)
  }

  async end(session: Session, reason: SessionEnd): Promise<void> {
    this.#forget(session)
    if (await this.#store.deleteSession(session.ticket.id, reason)) this.#observe.ended(reason)
  }

  /** The sessions that are in memory here. */
  cached(): IterableIterator<Session> {
    return this.#cache.values()
  }

  /** What they need, by estimate. */
  get cachedBytes(): number {
    return this.#cache.bytes
  }

  async #insert(session: Session): Promise<void> {
    const { ticket, createdAt, seenAt, expiresAt } = session
    await this.#store.insertSession(ticket.id, {
      ...sealSession(session, ticket, this.#keys),
      keys: keysOf(session, this.#keys),
      ...{ createdAt, seenAt, expiresAt },
    })
    this.#cache.add(session)
  }

  /** @returns false when the session has ended. */
  async #reread(session: Session): Promise<boolean> {
    const { ticket, changesHeard: heard } = session
    const askedAt = performance.now()
    const stored = await this.#store.readSession(ticket.id)
    const content = stored && openSession(ticket, stored.sealed)
    if (stored === undefined || content === undefined) {
      this.#hearEnd(ticket.id, 'gone')
      this.#forget(session)
      return false
    }
    if (stored.version > session.version) {
      const { user, raised, grant } = content
      if (!sameRoles(session.user, user)) session.tokens.clear()
      Object.assign(session, { user, raised, grant })
      session.version = stored.version
      this.#cache.weigh(session)
    }
    session.seenAt = Math.max(session.seenAt, stored.seenAt)
    // What was told while we read may not be in what we read.
    if (session.changesHeard === heard) session.checkedAt = askedAt
    return !session.ended
  }

  async #open(cookie: string): Promise<SessionLookup> {
    const tickets = readTickets(cookie, this.#keys)
    for (const ticket of tickets) {
      const arrival = { ended: false, changed: false }
      this.#arriving.set(ticket.id, arrival)
      try {
        const session = await this.#read(ticket)
        if (session === undefined) continue
        const lookup = await this.#judge(session)
        if (lookup.kind !== 'session') return lookup
        // Its end came between our reading and now: nobody would tell us of it again.
        if (arrival.ended) return { kind: 'ended' }
        if (arrival.changed) session.checkedAt = -Infinity
        this.#cache.add(session)
        return lookup
      } finally {
        this.#arriving.delete(ticket.id)
      }
    }
    return { kind: tickets.length === 0 ? 'none' : 'ended' }
  }

  async #read(ticket: Ticket): Promise<Session | undefined> {
    const askedAt = performance.now()
    const stored = await this.#store.readSession(ticket.id)
    const content = stored && openSession(ticket, stored.sealed)
    if (stored === undefined || content === undefined) return undefined
    const session = startSession(ticket, content, stored, askedAt)
    for (const [service, sealed] of await this.#store.readTokens(ticket.id)) {
      const token = openToken(ticket, service, sealed)
      if (token !== undefined) session.tokens.set(service, token)
    }
    return session
  }

  async #judge(session: Session): Promise<SessionLookup> {
    if (session.ended) return { kind: 'ended' }
    const { idleSeconds } = this.#limits()
    const now = this.#clock()
    const passed = limitPassed(session, now, idleSeconds)
    if (passed === undefined) return { kind: 'session', session }
    const unseenSince = passed === 'idle' ? now - idleSeconds : undefined
    if (await this.#store.deleteSession(session.ticket.id, passed, unseenSince)) {
      this.#observe.ended(passed)
      this.#forget(session)
      return { kind: 'ended' }
    }
    // Another node has seen it since, or ended it.
    if (!(await this.#reread(session))) return { kind: 'ended' }
    const still = limitPassed(session, now, idleSeconds)
    if (still === undefined) return { kind: 'session', session }
    this.#forget(session)
    return { kind: 'ended' }
  }

  async #dropTokens({ ticket, tokens }: Session): Promise<void> {
    tokens.clear()
    const kept = await this.#store.readTokens(ticket.id)
    await Promise.all(
      [...kept.keys()].map((service) => this.#store.deleteToken(ticket.id, service)),
    )
  }

  #hearEnd(id: string, reason: string): void {
    const arrival = this.#arriving.get(id)
    if (arrival !== undefined) arrival.ended = true
    const session = this.#cache.withId(id)
    if (session !== undefined) this.#forget(session)
    for (const listener of this.#endListeners) listener(id, reason)
  }

  /** What another node made of it is read before it is used again: a role may be gone. */
  #hearChange(id: string): void {
    const arrival = this.#arriving.get(id)
    if (arrival !== undefined) arrival.changed = true
    const session = this.#cache.withId(id)
    if (session === undefined) return
    session.checkedAt = -Infinity
    session.changesHeard++
  }

  #forget(session: Session): void {
    session.ended = true
    session.tokens.clear()
    this.#cache.delete(session)
  }
}

const sameRoles = (a: SessionUser, b: SessionUser) =>
  a.roles.length === b.roles.length && a.roles.every((role) => b.roles.includes(role))

const pick = ({ user, raised }: Session) => ({ user, raised })

/** The user as the IdP knows it now, but for roles that the session did not have. */
function withoutNewRoles(before: SessionUser, now: SessionUser) {
  const roles = now.roles.filter((role) => before.roles.includes(role))
  return { user: { ...now, roles }, raised: roles.length < now.roles.length }
}
