import { recordOf, type Session } from './session.ts'

/** What V8 needs for a session and for each of its tokens besides their JSON, in bytes; a test measures it. */
const OVERHEAD = { session: 1_500, token: 250 }

interface Entry {
  session: Session
  bytes: number
  /** When it was last seen, at its last turn. */
  seenAt: number
}

/**
 * The sessions in memory, by cookie and by id, in at most so many bytes. When there are too many, the
 * longest in their turn are looked at: who was used since has another turn, who was not goes. So
 * a request that uses a session costs nothing here, and one that brings another one costs the same
 * however many there are.
 */
export class SessionCache {
  readonly #maxBytes: () => number
  /** The next one to be looked at first. */
  readonly #byCookie = new Map<string, Entry>()
  readonly #byId = new Map<string, Session>()
  #bytes = 0

  constructor(maxBytes: () => number) {
    this.#maxBytes = maxBytes
  }

  /** By estimate. */
  get bytes(): number {
    return this.#bytes
  }

  get(cookie: string): Session | undefined {
    return this.#byCookie.get(cookie)?.session
  }

  withId(id: string): Session | undefined {
    return this.#byId.get(id)
  }

  *values(): Generator<Session> {
    for (const { session } of this.#byCookie.values()) yield session
  }

  add(session: Session): void {
    this.delete(session)
    const entry = { session, bytes: bytesOf(session), seenAt: session.seenAt }
    this.#byCookie.set(session.ticket.cookie, entry)
    this.#byId.set(session.ticket.id, session)
    this.#bytes += entry.bytes
    this.#makeRoom(session)
  }

  /** After a session has grown or shrunk. */
  weigh(session: Session): void {
    const entry = this.#byCookie.get(session.ticket.cookie)
    if (entry?.session !== session) return
    const bytes = bytesOf(session)
    this.#bytes += bytes - entry.bytes
    entry.bytes = bytes
    this.#makeRoom(session)
  }

  delete({ ticket }: Session): void {
    const entry = this.#byCookie.get(ticket.cookie)
    if (entry === undefined) return
    this.#bytes -= entry.bytes
    this.#byCookie.delete(ticket.cookie)
    this.#byId.delete(ticket.id)
  }

  /** @param kept is in use now. */
  #makeRoom(kept: Session): void {
    if (this.#bytes <= this.#maxBytes()) return
    for (const [cookie, entry] of this.#byCookie) {
      const { session } = entry
      if (session === kept || session.seenAt > entry.seenAt) {
        // To the end of the line; what is looked at a second time was not used since.
        if (session === kept && this.#byCookie.size === 1) return
        entry.seenAt = session.seenAt
        this.#byCookie.delete(cookie)
        this.#byCookie.set(cookie, entry)
      } else {
        this.delete(session)
        if (this.#bytes <= this.#maxBytes()) return
      }
    }
  }
}

/** What a session needs, by its texts: nearly all are ASCII, of one byte each. */
function bytesOf(session: Session): number {
  let bytes = OVERHEAD.session + JSON.stringify(recordOf(session)).length
  for (const token of session.tokens.values()) {
    bytes += OVERHEAD.token + JSON.stringify(token).length
  }
  return bytes
}
