import type { Session } from './session.ts'
import type { Sessions } from './sessions.ts'

/** Why a channel is closed: how its session ended, or `stopping` when this process stops. */
export type ChannelEnd = string

/**
 * Closes a channel. What has an end of its own may go on when told `stopping`, and is told again
 * should its session end meanwhile.
 */
export type CloseChannel = (reason: ChannelEnd) => void

const LOOK_MS = 1000
/** How many sessions are read again at once. */
const ABREAST = 64

interface Owner {
  session: Session
  channels: Set<Channel>
}

interface Channel {
  close: CloseChannel
  owner: Owner | undefined
}

/**
 * What is open here for each session: streams, WebSockets, long downloads. They end with the
 * session, whoever ends it: most ends are told (`end`). A limit that passes, and an end that could
 * not be heard because the telling was broken, are found by one look a second, which asks the store
 * only for those sessions. While the store is away nothing can be known, and channels go on; they
 * are looked at as soon as it is back.
 */
export class Channels {
  readonly #sessions: Pick<Sessions, 'isOld' | 'limitOf' | 'check'>
  readonly #owners = new Map<string, Owner>()
  readonly #ownerless = new Set<Channel>()
  #timer: NodeJS.Timeout | undefined
  #looking = false
  #stopping = false

  constructor(sessions: Pick<Sessions, 'isOld' | 'limitOf' | 'check'>) {
    this.#sessions = sessions
  }

  /**
   * @param session undefined: nobody's; it is told when this process stops.
   * @param close is called at once when the session has ended already.
   * @returns what to call when the channel is over.
   */
  open(session: Session | undefined, close: CloseChannel): () => void {
    if (session?.ended) {
      close('gone')
      return () => {}
    }
    const channel: Channel = { close, owner: session && this.#ownerOf(session) }
    const beside = channel.owner?.channels ?? this.#ownerless
    beside.add(channel)
    this.#keepLooking()
    if (this.#stopping) close('stopping')
    return () => this.#forget(channel)
  }

  /** Closes what is open for a session. */
  end(id: string, reason: ChannelEnd): void {
    const owner = this.#owners.get(id)
    if (owner === undefined) return
    this.#owners.delete(id)
    this.#keepLooking()
    const ending = [...owner.channels]
    owner.channels.clear()
    for (const { close } of ending) close(reason)
  }

  count(): number {
    let count = this.#ownerless.size
    for (const { channels } of this.#owners.values()) count += channels.size
    return count
  }

  /** Tells everything that is open, and what is opened from now on, that this process stops. */
  stop(): void {
    this.#stopping = true
    const owned = [...this.#owners.values()].flatMap(({ channels }) => [...channels])
    for (const { close } of [...owned, ...this.#ownerless]) close('stopping')
  }

  #ownerOf(session: Session): Owner {
    let owner = this.#owners.get(session.ticket.id)
    if (owner === undefined) {
      owner = { session, channels: new Set() }
      this.#owners.set(session.ticket.id, owner)
    }
    return owner
  }

  #forget(channel: Channel): void {
    const { owner } = channel
    if (owner === undefined) {
      this.#ownerless.delete(channel)
      return
    }
    owner.channels.delete(channel)
    const { id } = owner.session.ticket
    if (owner.channels.size === 0 && this.#owners.get(id) === owner) this.#owners.delete(id)
    this.#keepLooking()
  }

  #keepLooking(): void {
    if (this.#owners.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
    } else {
      this.#timer ??= setInterval(() => void this.#look(), LOOK_MS).unref()
    }
  }

  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    const due = [...this.#owners.values()].filter(
      ({ session }) => this.#sessions.isOld(session) || this.#sessions.limitOf(session),
    )
    try {
      for (let at = 0; at < due.length; at += ABREAST) {
        await Promise.all(due.slice(at, at + ABREAST).map(({ session }) => this.#check(session)))
      }
    } catch {
      // The store is away: asking for the others as well would not bring it back.
    } finally {
      this.#looking = false
    }
  }

  async #check(session: Session): Promise<void> {
    const limit = this.#sessions.limitOf(session)
    const { kind } = await this.#sessions.check(session)
    if (kind !== 'session') this.end(session.ticket.id, limit ?? 'gone')
  }
}
