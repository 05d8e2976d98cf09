import type { SessionUser } from '@audience-bridge/contracts/session.ts'
import type { Clock } from '@audience-bridge/kit/clock.ts'
import { cardOf, keysOf, sealCard } from './card.ts'
import {
  type Grant,
  limitPassed,
  readRecord,
  recordOf,
  type ServiceToken,
  type Session,
  type SessionEnd,
  type SessionOrigin,
  type SessionRecord,
} from './session.ts'
import type { SessionStore } from './store.ts'
import { newTicket, readTickets, type StoreKeys, seal, type Ticket, unseal } from './ticket.ts'

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

/** How long a session that got a new id is still known under the old one: calls are under way. */
const RETIRED_SECONDS = 10

/**
 * The sessions of this process: the store's records, opened once and then shared in memory by the
 * cookie's value, so that a request costs one map look-up and no cryptography. At most `maxCached`
 * are held, about 6 KB each; the longest unused goes first and is read again when it comes back.
 * Where other nodes share the store, what they end is heard at once and ends here, too.
 */
export class Sessions {
  readonly #store: SessionStore
  readonly #keys: StoreKeys
  readonly #clock: Clock
  readonly #limits: () => SessionLimits
  readonly #maxCached: number
  readonly #observe: SessionObserver
  readonly #cache = new Map<string, Session>()
  readonly #byId = new Map<string, Session>()
  readonly #opening = new Map<string, Promise<SessionLookup>>()
  readonly #endListeners = new Set<EndListener>()
  readonly #unwatch: () => void

  constructor(deps: {
    store: SessionStore
    storeKeys: StoreKeys
    clock: Clock
    limits: () => SessionLimits
    maxCached?: number
    observe: SessionObserver
  }) {
    this.#store = deps.store
    this.#keys = deps.storeKeys
    this.#clock = deps.clock
    this.#limits = deps.limits
    this.#observe = deps.observe
    this.#maxCached = deps.maxCached ?? 10_000
    this.#unwatch = deps.store.watch((news) => {
      if (news.kind === 'ended') this.#hearEnd(news.id, news.reason)
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
    const expiresAt = now + this.#limits().absoluteSeconds
    const session = this.#start(newTicket(this.#keys), login, { createdAt: now, expiresAt })
    await this.#insert(session)
    this.#observe.created()
    return session
  }

  /**
   * Gives a session a new id, after its user's privileges changed: what was known of the old one
   * opens nothing new. The old id still serves for 10 s, without being renewed.
   */
  async rotate(session: Session): Promise<Session> {
    const { ticket, createdAt, expiresAt, tokens } = session
    const next = this.#start(newTicket(this.#keys), session, { createdAt, expiresAt })
    for (const [service, token] of tokens) next.tokens.set(service, token)
    await this.#insert(next)
    session.expiresAt = Math.min(expiresAt, this.#clock() + RETIRED_SECONDS)
    await this.#store.shortenSession(ticket.id, session.expiresAt)
    return next
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
   * Keeps a renewed grant, and what the IdP now says of the user.
   *
   * @returns `newer` when another process renewed it first: then the session has that one's grant.
   */
  async replaceGrant(
    session: Session,
    grant: Grant,
    user: SessionUser = session.user,
  ): Promise<'kept' | 'newer' | 'ended'> {
    const { ticket, version } = session
    const next = { ...session, grant, user }
    const sealed = seal(ticket.dataKey, ticket.id, recordOf(next))
    // In memory first: the IdP has rotated already, and the old token must not be sent again even
    // when the store cannot take the new one.
    session.grant = grant
    session.user = user
    const card = sealCard(cardOf(next), ticket.id, this.#keys)
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
    if (token !== undefined && !session.ended) session.tokens.set(service, token)
    return token
  }

  /** @param fence of the lease under which the token was minted. */
  async keepToken(session: Session, token: ServiceToken, fence: number): Promise<void> {
    if (session.ended) return
    session.tokens.set(token.service, token)
    const { ticket } = session
    const sealed = seal(ticket.dataKey, tokenContext(ticket.id, token.service), token)
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

  #start(
    ticket: Ticket,
    from: SessionOrigin & Pick<Session, 'user' | 'grant'>,
    times: { createdAt: number; expiresAt: number; seenAt?: number; version?: number },
    checkedAt = performance.now(),
  ): Session {
    const { user, issuer, sid, frontend, idpSessionExpiresAt, requested, binding, agent, grant } =
      from
    const seenAt = times.seenAt ?? this.#clock()
    return {
      ...{
        ticket,
        user,
        issuer,
        sid,
        frontend,
        idpSessionExpiresAt,
        requested,
        binding,
        agent,
        grant,
      },
      createdAt: times.createdAt,
      expiresAt: times.expiresAt,
      seenAt,
      touchedAt: seenAt,
      checkedAt,
      version: times.version ?? 1,
      tokens: new Map(),
      ended: false,
    }
  }

  async #insert(session: Session): Promise<void> {
    const { ticket, createdAt, seenAt, expiresAt } = session
    await this.#store.insertSession(ticket.id, {
      sealed: seal(ticket.dataKey, ticket.id, recordOf(session)),
      card: sealCard(cardOf(session), ticket.id, this.#keys),
      keys: keysOf(session, this.#keys),
      ...{ createdAt, seenAt, expiresAt },
    })
    this.#remember(session)
  }

  /** @returns false when the session has ended. */
  async #reread(session: Session): Promise<boolean> {
    const { ticket } = session
    const askedAt = performance.now()
    const stored = await this.#store.readSession(ticket.id)
    const record = stored && openRecord(ticket, stored.sealed)
    if (stored === undefined || record === undefined) {
      this.#hearEnd(ticket.id, 'gone')
      this.#forget(session)
      return false
    }
    if (stored.version > session.version) {
      const { grant, user } = readRecord(record)
      session.grant = grant
      session.user = user
      session.version = stored.version
    }
    session.seenAt = Math.max(session.seenAt, stored.seenAt)
    session.expiresAt = Math.min(session.expiresAt, stored.expiresAt)
    session.checkedAt = askedAt
    return !session.ended
  }

  async #open(cookie: string): Promise<SessionLookup> {
    const tickets = readTickets(cookie, this.#keys)
    for (const ticket of tickets) {
      const askedAt = performance.now()
      const stored = await this.#store.readSession(ticket.id)
      const record = stored && openRecord(ticket, stored.sealed)
      if (stored === undefined || record === undefined) continue
      const session = this.#start(ticket, readRecord(record), stored, askedAt)
      for (const [service, sealed] of await this.#store.readTokens(ticket.id)) {
        const token = openToken(ticket, service, sealed)
        if (token !== undefined) session.tokens.set(service, token)
      }
      const lookup = await this.#judge(session)
      if (lookup.kind === 'session') this.#remember(session)
      return lookup
    }
    return { kind: tickets.length === 0 ? 'none' : 'ended' }
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

  #hearEnd(id: string, reason: string): void {
    const session = this.#byId.get(id)
    if (session !== undefined) this.#forget(session)
    for (const listener of this.#endListeners) listener(id, reason)
  }

  #forget(session: Session): void {
    session.ended = true
    session.tokens.clear()
    this.#uncache(session)
  }

  #remember(session: Session): void {
    if (this.#cache.size >= this.#maxCached) this.#forgetOldest()
    this.#cache.set(session.ticket.cookie, session)
    this.#byId.set(session.ticket.id, session)
  }

  #uncache({ ticket }: Session): void {
    this.#cache.delete(ticket.cookie)
    this.#byId.delete(ticket.id)
  }

  /** Drops a tenth of the cache, the longest unused first. */
  #forgetOldest(): void {
    const oldest = [...this.#cache.values()].sort((a, b) => a.seenAt - b.seenAt)
    for (const session of oldest.slice(0, Math.ceil(this.#maxCached / 10))) this.#uncache(session)
  }
}

function openRecord(ticket: Ticket, sealed: Uint8Array): SessionRecord | undefined {
  const record = unseal(ticket.dataKey, ticket.id, sealed) as SessionRecord | undefined
  return record?.v === 2 ? record : undefined
}

function openToken(ticket: Ticket, service: string, sealed: Uint8Array): ServiceToken | undefined {
  return unseal(ticket.dataKey, tokenContext(ticket.id, service), sealed) as
    | ServiceToken
    | undefined
}

/** A token's record opens under its own session and service alone. */
const tokenContext = (id: string, service: string) => `${id}/${service}`
