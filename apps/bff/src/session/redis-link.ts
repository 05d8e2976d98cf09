import type { Logger } from '@audience-bridge/kit/log.ts'
import type { RedisArgument, RedisConnection } from './redis-connection.ts'
import { type Open, Reopener } from './redis-reopener.ts'

/** A command is answered within this time, or fails: a caller has a second for its own answer. */
const DEADLINE_MS = 600
const TICK_MS = 100

/**
 * Commands to Redis, over one connection that is opened anew whenever it is lost. A command is sent at
 * most once and is answered within 600 ms; while there is no connection it fails at once, unless one
 * is just being opened. A connection that lets a command wait too long is given up: a server that is
 * paused or cut off would hold every later command as well.
 */
export class RedisLink {
  readonly #connection: Reopener<RedisConnection>

  constructor(open: Open<RedisConnection>, log: Logger) {
    const warned = new Set<string>()
    const opened = () => void warnOfEviction(this, warned, log)
    this.#connection = new Reopener({ open, log, what: 'the connection to Redis', opened })
  }

  /** @throws what Redis answers, or why it does not. */
  send(key: string, command: RedisArgument[]): Promise<unknown> {
    return this.#within((connection) => connection.send(key, command))
  }

  /** The nodes that take writes, as far as is known; none while there is no connection. */
  nodes(): readonly string[] {
    return this.#connection.current?.nodes() ?? []
  }

  sendTo(node: string, command: RedisArgument[]): Promise<unknown> {
    return this.#within((connection) => connection.sendTo(node, command))
  }

  close(): void {
    this.#connection.close()
  }

  #within(send: (connection: RedisConnection) => Promise<unknown>): Promise<unknown> {
    let used: RedisConnection | undefined
    const answer = async () => {
      used = this.#connection.current ?? (await this.#connection.get())
      return send(used)
    }
    return withinDeadline(answer(), () => {
      const late = new Error(`Redis did not answer within ${DEADLINE_MS} ms`)
      if (used !== undefined) this.#connection.lose(used, late)
      return late
    })
  }
}

/**
 * Settles as `answer` does, or rejects with what `expire` gives. Only time in which this process runs
 * counts: a process that was stalled for a second has not waited for Redis but for itself, and would
 * give up, with its own connection, every command that others were waiting for.
 */
function withinDeadline<T>(answer: Promise<T>, expire: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    let waited = 0
    const wait = () => {
      waited += TICK_MS
      // An answer that came while this process was busy is read first.
      if (waited > DEADLINE_MS) setImmediate(() => reject(expire()))
      else timer = setTimeout(wait, TICK_MS)
    }
    let timer = setTimeout(wait, TICK_MS)
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** A Redis that makes room by itself signs users out without a word. */
async function warnOfEviction(link: RedisLink, warned: Set<string>, log: Logger): Promise<void> {
  for (const node of link.nodes()) {
    if (warned.has(node)) continue
    // Whoever may not ask is not told.
    const info = String(await link.sendTo(node, ['INFO', 'memory']).catch(() => ''))
    const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1]
    if (policy === undefined || policy === 'noeviction') continue
    warned.add(node)
    log.warn(
      { node, policy },
      'Redis deletes sessions when its memory is full: set maxmemory-policy to noeviction',
    )
  }
}
