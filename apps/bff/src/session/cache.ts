import type { Session } from './session.ts'

/** The sessions in memory, by cookie and by id; the longest unused go first when there are too many. */
export class SessionCache {
  readonly #max: number
  readonly #byCookie = new Map<string, Session>()
  readonly #byId = new Map<string, Session>()

  constructor(max: number) {
    this.#max = max
  }

  get(cookie: string): Session | undefined {
    return this.#byCookie.get(cookie)
  }

  withId(id: string): Session | undefined {
    return this.#byId.get(id)
  }

  values(): IterableIterator<Session> {
    return this.#byCookie.values()
  }

  add(session: Session): void {
    if (this.#byCookie.size >= this.#max) this.#dropOldest()
    this.#byCookie.set(session.ticket.cookie, session)
    this.#byId.set(session.ticket.id, session)
  }

  delete({ ticket }: Session): void {
    this.#byCookie.delete(ticket.cookie)
    this.#byId.delete(ticket.id)
  }

  /** Drops a tenth: sorting costs much, and is then paid once for many. */
  #dropOldest(): void {
    const oldest = [...this.#byCookie.values()].sort((a, b) => a.seenAt - b.seenAt)
    for (const session of oldest.slice(0, Math.ceil(this.#max / 10))) this.delete(session)
  }
}
