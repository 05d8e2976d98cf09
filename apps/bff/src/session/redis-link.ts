import type { Logger } from '@audience-bridge/kit/log.ts'
import type { OpenConnection, RedisArgument, RedisConnection } from './redis-connection.ts'

/** A command is answered within this time, or fails: a caller has a second for its own answer. */
const DEADLINE_MS = 600
/** From the second failure in a row on there is a pause before the next attempt, doubled up to this. */
const MAX_PAUSE_MS = 1000
/** A connection that lived shorter counts as one more failure. */
const SHORT_LIFE_MS = 1000

/**
 * Keeps one connection to Redis: opens it anew whenever it is lost, and forever. A command is sent at
 * most once and is answered within 600 ms; while there is no connection it fails at once, unless one
 * is just being opened. A connection that lets a command wait too long is given up: a server that is
 * paused or cut off would hold every later command as well.
 */
export class RedisLink {
  readonly #open: OpenConnection
  readonly #log: Logger
  #connection: RedisConnection | undefined
  #opening: Promise<RedisConnection | undefined> | undefined
  #pause: NodeJS.Timeout | undefined
  #openedAt = 0
  #failures = 0
  #cause: Error | undefined
  #closed = false

  constructor(open: OpenConnection, log: Logger) {
    this.#open = open
    this.#log = log
    this.#reopen()
  }

  /** @throws what Redis answers, or why it does not. */
  async send(key: string, command: RedisArgument[]): Promise<unknown> {
    let used: RedisConnection | undefined
    const answer = async () => {
      used = this.#connection ?? (await this.#opening)
      if (used === undefined) {
        throw new Error(`no connection to Redis: ${this.#cause?.message ?? 'it is closed'}`)
      }
      return used.send(key, command)
    }
    return withinDeadline(answer(), () => {
      const late = new Error(`Redis did not answer within ${DEADLINE_MS} ms`)
      if (used !== undefined) this.#lose(used, late)
      return late
    })
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#pause)
    this.#connection?.close()
    this.#connection = undefined
  }

  #lose(connection: RedisConnection, cause: Error): void {
    const known = this.#opening !== undefined || this.#pause !== undefined
    if (connection !== this.#connection || known || this.#closed) return
    if (this.#failures === 0) this.#log.warn({ err: cause }, 'the connection to Redis is lost')
    const lived = performance.now() - this.#openedAt
    this.#failures = lived < SHORT_LIFE_MS ? this.#failures + 1 : 0
    this.#cause = cause
    if (!connection.partial) {
      this.#connection = undefined
      connection.close()
    }
    this.#reopen()
  }

  #reopen(): void {
    if (this.#closed || this.#opening !== undefined || this.#pause !== undefined) return
    if (this.#failures === 0) {
      this.#opening = this.#attempt()
      return
    }
    const pauseMs = Math.min(MAX_PAUSE_MS, 25 * 2 ** this.#failures) * (0.5 + Math.random() / 2)
    this.#pause = setTimeout(() => {
      this.#pause = undefined
      this.#opening = this.#attempt()
    }, pauseMs)
    this.#pause.unref()
  }

  async #attempt(): Promise<RedisConnection | undefined> {
    try {
      let opened: RedisConnection | undefined
      opened = await this.#open((cause) => opened && this.#lose(opened, cause))
      if (this.#closed) {
        opened.close()
        return undefined
      }
      this.#take(opened)
      return opened
    } catch (cause) {
      this.#failures++
      this.#cause = cause instanceof Error ? cause : new Error(String(cause))
      if (this.#failures === 1) this.#log.error({ err: cause }, 'Redis cannot be reached')
      return undefined
    } finally {
      this.#opening = undefined
      if (this.#connection === undefined) this.#reopen()
    }
  }

  #take(opened: RedisConnection): void {
    const before = this.#connection
    // What is under way at the nodes that answer goes on to its end.
    if (before !== undefined) setTimeout(() => before.close(), DEADLINE_MS).unref()
    this.#connection = opened
    this.#openedAt = performance.now()
    if (before === undefined) this.#log.info('connected to Redis')
  }
}

/** Settles as `answer` does, or rejects with what `expire` gives. */
function withinDeadline<T>(answer: Promise<T>, expire: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      // An answer that came while this process was busy is read first.
      setImmediate(() => reject(expire()))
    }, DEADLINE_MS)
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
