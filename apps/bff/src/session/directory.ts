import type { Clock } from '@audience-bridge/kit/clock.ts'
import { type KnownSession, openCard, sidKey, userKey } from './card.ts'
import { limitPassed, type SessionEnd } from './session.ts'
import type { ListedSession, SessionKey, SessionStore } from './store.ts'
import type { StoreKeys } from './ticket.ts'

const PAGE = 100

/** The sessions of all users and nodes, without their cookies: to list them and to end them. */
export class SessionDirectory {
  readonly #store: SessionStore
  readonly #keys: StoreKeys
  readonly #clock: Clock
  readonly #idleSeconds: () => number
  readonly #ended: (reason: SessionEnd) => void

  constructor(deps: {
    store: SessionStore
    storeKeys: StoreKeys
    clock: Clock
    idleSeconds: () => number
    /** Told of each end that this process brought about, for counting. */
    ended: (reason: SessionEnd) => void
  }) {
    this.#store = deps.store
    this.#keys = deps.storeKeys
    this.#clock = deps.clock
    this.#idleSeconds = deps.idleSeconds
    this.#ended = deps.ended
  }

  /** The living sessions of a user. */
  ofUser(issuer: string, sub: string): Promise<KnownSession[]> {
    return this.#allBy((key) => userKey(issuer, sub, key))
  }

  /** The living sessions that began in one session at the IdP. */
  ofIdpSession(issuer: string, sid: string): Promise<KnownSession[]> {
    return this.#allBy((key) => sidKey(issuer, sid, key))
  }

  /** The living session with this id. */
  async find(id: string): Promise<KnownSession | undefined> {
    const listed = await this.#store.readListed(id)
    return listed && this.#living(listed)[0]
  }

  /** A page of all living sessions, in no order that means anything. */
  async list(page: {
    limit: number
    after?: string
  }): Promise<{ sessions: KnownSession[]; next?: string }> {
    const { sessions, ...rest } = await this.#store.listSessions('all', page)
    return { sessions: sessions.flatMap((listed) => this.#living(listed)), ...rest }
  }

  count(): Promise<number> {
    return this.#store.countSessions()
  }

  /** Ends a session on every node. @returns false when it had ended already. */
  async end(id: string, reason: SessionEnd): Promise<boolean> {
    const ended = await this.#store.deleteSession(id, reason)
    if (ended) this.#ended(reason)
    return ended
  }

  async #allBy(keyOf: (key: Buffer) => SessionKey): Promise<KnownSession[]> {
    const found: KnownSession[] = []
    for (const key of this.#keys.all) {
      let after: string | undefined
      do {
        const page = await this.#store.listSessions(keyOf(key), {
          limit: PAGE,
          ...(after === undefined ? {} : { after }),
        })
        found.push(...page.sessions.flatMap((listed) => this.#living(listed)))
        after = page.next
      } while (after !== undefined)
    }
    return found
  }

  #living(listed: ListedSession): KnownSession[] {
    const known = openCard(listed, this.#keys)
    const gone = limitPassed(listed, this.#clock(), this.#idleSeconds()) !== undefined
    return known === undefined || gone ? [] : [known]
  }
}
