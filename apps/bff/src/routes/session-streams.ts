import { Readable } from 'node:stream'
import {
  type LiveSession,
  type SessionEventName,
  sessionEndReason,
} from '@audience-bridge/contracts/session.ts'
import type { Clock } from '@audience-bridge/kit/clock.ts'
import { firstLimit, limitTimes } from '../session/ends.ts'
import type { Session } from '../session/session.ts'
import { rfc3339 } from '../session/session-view.ts'
import type { SessionLimits, Sessions } from '../session/sessions.ts'

/** One browser shares one among its tabs; who has more than these asks too often. */
const MAX_PER_SESSION = 8
const TICK_MS = 1000
/** Proxies close what is silent; every so many ticks something is said. */
const BEAT_TICKS = 15
/** What a page has not read grows here; a page that reads nothing is gone. */
const MAX_UNREAD_BYTES = 64 * 1024

interface Stream {
  session: Session
  out: Readable
  /** What was last told, to tell of changes alone. */
  services: string
  user: Session['user']
  /** The end of which it was warned. */
  announced: number | undefined
  checking: boolean
}

interface StreamDeps {
  sessions: Pick<Sessions, 'onEnd' | 'isOld' | 'check'>
  view: (session: Session) => LiveSession
  configVersion: () => string
  limits: () => SessionLimits
  warnSeconds: () => number
  clock: Clock
}

/**
 * The open event streams of this process. Ends come from the store's news at once; what time or other
 * nodes bring about is looked at once a second: without I/O, unless a session is about to end or can
 * no longer be trusted. A stream costs about 2 KB and a few microseconds a second.
 */
export class SessionStreams {
  readonly #deps: StreamDeps
  readonly #byId = new Map<string, Set<Stream>>()
  readonly #timer: NodeJS.Timeout
  readonly #unlisten: () => void
  #ticks = 0

  constructor(deps: StreamDeps) {
    this.#deps = deps
    this.#unlisten = deps.sessions.onEnd((id, reason) => this.#end(id, reason))
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#timer.unref()
  }

  /** @returns undefined when the session has too many of them. */
  open(session: Session): Readable | undefined {
    const { id } = session.ticket
    const siblings = this.#byId.get(id) ?? new Set()
    if (siblings.size >= MAX_PER_SESSION) return undefined
    const out = new Readable({ read() {} })
    const stream: Stream = {
      ...{ session, out, services: '', user: session.user },
      ...{ announced: undefined, checking: false },
    }
    this.#byId.set(id, siblings.add(stream))
    out.once('close', () => {
      siblings.delete(stream)
      if (siblings.size === 0 && this.#byId.get(id) === siblings) this.#byId.delete(id)
    })
    out.push('retry: 3000\n\n')
    this.#tellSession(stream)
    this.#look(stream)
    return out
  }

  /** Tells all to connect again, to another node or to this one's successor. */
  close(): void {
    clearInterval(this.#timer)
    this.#unlisten()
    for (const stream of this.#all()) this.#finish(stream, 'reconnect', {})
  }

  #all(): Stream[] {
    return [...this.#byId.values()].flatMap((streams) => [...streams])
  }

  #tick(): void {
    this.#ticks++
    const beat = this.#ticks % BEAT_TICKS === 0
    for (const stream of this.#all()) {
      if (beat) stream.out.push(': beat\n\n')
      if (stream.out.readableLength > MAX_UNREAD_BYTES) stream.out.destroy()
      else this.#look(stream)
    }
  }

  #look(stream: Stream): void {
    const { session } = stream
    const { at, by } = firstLimit(limitTimes(session, this.#deps.limits()))
    const left = at - this.#deps.clock()
    const isNear = left <= this.#deps.warnSeconds()
    // A renewal or the IdP decides about the others: they are looked at when there is a beat.
    const isDue =
      left <= 0 && (by === 'idle' || by === 'absolute' || this.#ticks % BEAT_TICKS === 0)
    const isNews = isNear && stream.announced !== at
    // Other nodes may have seen the session since: the store knows.
    if (isDue || isNews || this.#deps.sessions.isOld(session)) void this.#check(stream)
    else if (!isNear && stream.announced !== undefined) this.#tellSession(stream)
    this.#tellServices(stream)
  }

  async #check(stream: Stream): Promise<void> {
    if (stream.checking) return
    stream.checking = true
    // A store that is away ends nothing.
    const found = await this.#deps.sessions.check(stream.session).catch(() => undefined)
    stream.checking = false
    if (stream.out.readableEnded || stream.out.destroyed || found === undefined) return
    if (found.kind !== 'session') return this.#end(stream.session.ticket.id, 'gone')
    this.#warn(stream)
  }

  #warn(stream: Stream): void {
    const { at, by } = firstLimit(limitTimes(stream.session, this.#deps.limits()))
    const seconds = at - this.#deps.clock()
    if (seconds > this.#deps.warnSeconds() || stream.announced === at) return
    stream.announced = at
    const ends = { at: rfc3339(at), by }
    tell(stream, 'expiring', { ends, seconds: Math.max(0, seconds) })
  }

  #tellSession(stream: Stream): void {
    const view = this.#deps.view(stream.session)
    stream.announced = undefined
    stream.user = stream.session.user
    stream.services = this.#servicesKey(view)
    tell(stream, 'session', view)
  }

  #tellServices(stream: Stream): void {
    if (stream.session.ended) return
    if (stream.user !== stream.session.user) return this.#tellSession(stream)
    const view = this.#deps.view(stream.session)
    const now = this.#servicesKey(view)
    if (now === stream.services) return
    stream.services = now
    tell(stream, 'services', {
      services: view.services,
      config_version: this.#deps.configVersion(),
    })
  }

  #servicesKey({ services }: LiveSession): string {
    return `${this.#deps.configVersion()} ${services.join(' ')}`
  }

  #end(id: string, reason: string): void {
    const known = sessionEndReason.safeParse(reason)
    for (const stream of this.#byId.get(id) ?? []) {
      this.#finish(stream, 'ended', { reason: known.success ? known.data : 'gone' })
    }
  }

  #finish(stream: Stream, name: SessionEventName, data: object): void {
    tell(stream, name, data)
    stream.out.push(null)
    const { id } = stream.session.ticket
    this.#byId.get(id)?.delete(stream)
  }
}

function tell({ out }: Stream, name: SessionEventName, data: object): void {
  out.push(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
}
