import type { Logger } from '@audience-bridge/kit/log.ts'

/** From the second failure in a row on there is a pause before the next attempt, doubled up to this. */
const MAX_PAUSE_MS = 1000
/** What lived shorter counts as one more failure. */
const SHORT_LIFE_MS = 1000
/** What is replaced while it still serves gets this time to end what is under way. */
const LEAVE_MS = 600

export interface Reopened {
  /** Whether it still serves when it is lost, until there is another. */
  readonly partial: boolean
  close(): void
}

/** @param lost called when what was open fails, with the reason; maybe repeatedly. */
export type Open<T> = (lost: (cause: Error) => void) => Promise<T>

/** Keeps one connection open: opens it anew whenever it is lost, and forever. */
export class Reopener<T extends Reopened> {
  readonly #open: Open<T>
  readonly #log: Logger
  readonly #what: string
  readonly #opened: (opened: T) => void
  #current: T | undefined
  #opening: Promise<T | undefined> | undefined
  #pause: NodeJS.Timeout | undefined
  #openedAt = 0
  #failures = 0
  #cause: Error | undefined
  #closed = false

  /** @param deps.what it is, for the log: "the connection to Redis". */
  constructor(deps: { open: Open<T>; log: Logger; what: string; opened?: (opened: T) => void }) {
    this.#open = deps.open
    this.#log = deps.log
    this.#what = deps.what
    this.#opened = deps.opened ?? (() => {})
    this.#reopen()
  }

  get current(): T | undefined {
    return this.#current
  }

  /** Waits for an attempt under way. @throws why there is none. */
  async get(): Promise<T> {
    const current = this.#current ?? (await this.#opening)
    if (current !== undefined) return current
    throw new Error(`no connection to Redis: ${this.#cause?.message ?? 'it is closed'}`)
  }

  lose(lost: T, cause: Error): void {
    const known = this.#opening !== undefined || this.#pause !== undefined
    if (lost !== this.#current || known || this.#closed) return
    if (this.#failures === 0) this.#log.warn({ err: cause }, `${this.#what} is lost`)
    const lived = performance.now() - this.#openedAt
    this.#failures = lived < SHORT_LIFE_MS ? this.#failures + 1 : 0
    this.#cause = cause
    if (!lost.partial) {
      this.#current = undefined
      lost.close()
    }
    this.#reopen()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#pause)
    this.#current?.close()
    this.#current = undefined
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

  async #attempt(): Promise<T | undefined> {
    try {
      let opened: T | undefined
      opened = await this.#open((cause) => opened && this.lose(opened, cause))
      if (this.#closed) {
        opened.close()
        return undefined
      }
      this.#take(opened)
      return opened
    } catch (cause) {
      this.#failures++
      this.#cause = cause instanceof Error ? cause : new Error(String(cause))
      if (this.#failures === 1) this.#log.error({ err: cause }, `${this.#what} cannot be opened`)
      return undefined
    } finally {
      this.#opening = undefined
      if (this.#current === undefined) this.#reopen()
    }
  }

  #take(opened: T): void {
    const before = this.#current
    if (before !== undefined) setTimeout(() => before.close(), LEAVE_MS).unref()
    this.#current = opened
    this.#openedAt = performance.now()
    if (before === undefined) this.#log.info(`${this.#what} is open`)
    this.#opened(opened)
  }
}
