import { BackendConnection, type Caller, type Question } from './backend-connection.ts'
import type { CoarseClock } from './coarse-clock.ts'

interface Origin {
  /** The one that was used last is taken first: the others may end. */
  idle: BackendConnection[]
  all: Set<BackendConnection>
}

/**
 * Keep-alive connections to backends over plain TCP. Not limited in number: behind a limit, the slow
 * requests of a few would make everybody wait (see proxy/callers.ts).
 */
export class BackendPool {
  /** By the base URL of one configuration; the next one has its own. */
  readonly #origins = new Map<URL, Origin>()
  readonly #clock: CoarseClock

  constructor(clock: CoarseClock) {
    this.#clock = clock
  }

  /** @param fresh on a connection of its own, whatever lies idle. */
  ask(base: URL, caller: Caller, question: Question, fresh = false): BackendConnection {
    const origin = this.#originOf(base)
    let connection = fresh ? undefined : origin.idle.pop()
    while (connection !== undefined && !connection.usable) connection = origin.idle.pop()
    connection ??= this.#open(base, origin)
    connection.ask(caller, question)
    return connection
  }

  look(now: number): void {
    for (const { all } of this.#origins.values()) {
      for (const connection of all) connection.look(now)
    }
  }

  close(): void {
    for (const { all } of this.#origins.values()) {
      for (const connection of all) connection.drop()
    }
  }

  #originOf(base: URL): Origin {
    let known = this.#origins.get(base)
    if (known === undefined) {
      known = { idle: [], all: new Set() }
      this.#origins.set(base, known)
    }
    return known
  }

  #open(base: URL, origin: Origin): BackendConnection {
    const opened = new BackendConnection(base, this.#clock, (connection, reusable) => {
      if (reusable) {
        origin.idle.push(connection)
        return
      }
      // Told twice, by its last answer and by its end; another origin may be in this one's place by then.
      if (!origin.all.delete(connection)) return
      if (origin.all.size === 0 && this.#origins.get(base) === origin) this.#origins.delete(base)
      const at = origin.idle.indexOf(connection)
      if (at !== -1) origin.idle.splice(at, 1)
    })
    origin.all.add(opened)
    return opened
  }
}
