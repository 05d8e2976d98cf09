import { isRecord } from './error.ts'
import type { EndReason, LiveSession, SessionEnds } from './session.ts'

/** What happens to the session, as it happens. */
export type SessionNews =
  /** The session ends at `at` unless that moves; told some minutes before (`session.warn_seconds`). */
  | ({ type: 'expiring' } & SessionEnds)
  /** It does not end as soon as was told. */
  | { type: 'prolonged' }
  | { type: 'ended'; reason: EndReason }
  /** Other services than before may be called without waiting, or the BFF's configuration is another. */
  | { type: 'services'; services: string[] }

export type NewsListener = (news: SessionNews) => void

export interface WatchHost {
  url: string
  withCredentials: boolean
  /** Names the lock that one tab of the browser holds: that of the connection. */
  name: string
  /** Tells the other tabs; false where there is no way to. */
  tell(news: SessionNews): boolean
  hear(news: SessionNews): void
  /** The body of a `session` event. */
  take(body: unknown): void
  /** Asks the BFF for the session. */
  ask(): Promise<LiveSession | undefined>
}

export interface Watch {
  /** Connects, if nobody in this browser has. */
  start(): void
  stop(): void
  /** Somebody may be signed in now. */
  wake(): void
}

const POLL_MS = 60_000
/** Where the BFF cannot tell when to warn. */
const WARN_MS = 300_000

/**
 * One event stream for all tabs of a browser: connections to one origin are few. The tab that holds
 * the lock listens and tells the others; when it goes, the next one has the lock. Where there is no
 * lock or no channel, each tab listens for itself; where there is no `EventSource`, it asks by the
 * minute.
 */
export function createWatch(host: WatchHost): Watch {
  let source: EventSource | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let waiting: AbortController | undefined
  let isElected = false
  let warned = ''

  const news = (told: SessionNews) => {
    host.tell(told)
    host.hear(told)
  }
  const later = (ms: number) => {
    clearTimeout(timer)
    // Spread, or all browsers would come back in the same moment.
    timer = setTimeout(look, ms * (0.5 + Math.random()))
  }
  const disconnect = () => {
    source?.close()
    source = undefined
    clearTimeout(timer)
  }

  function look(): void {
    isElected = true
    host.ask().then(
      (session) => {
        if (waiting === undefined) return
        if (session === undefined) return later(POLL_MS)
        if (typeof EventSource !== 'undefined') return connect()
        warn(session.ends)
        later(POLL_MS)
      },
      () => waiting && later(POLL_MS),
    )
  }

  function warn(ends: SessionEnds): void {
    const isNear = ends.at.getTime() - Date.now() < WARN_MS
    const now = isNear ? ends.at.toISOString() : ''
    if (now === warned) return
    warned = now
    news(isNear ? { type: 'expiring', ...ends } : { type: 'prolonged' })
  }

  function connect(): void {
    disconnect()
    const { url, withCredentials } = host
    const opened = new EventSource(url, { withCredentials })
    source = opened
    const on = (name: string, take: (body: Record<string, unknown>) => void) =>
      opened.addEventListener(name, ({ data }: MessageEvent<string>) => {
        const body: unknown = JSON.parse(data)
        if (isRecord(body)) take(body)
      })
    on('session', (body) => {
      host.take(body)
      if (warned !== '') news({ type: 'prolonged' })
      warned = ''
    })
    on('expiring', ({ ends }) => {
      const { at, by } = ends as { at: string; by: SessionEnds['by'] }
      warned = at
      news({ type: 'expiring', at: new Date(at), by })
    })
    on('services', ({ services }) => news({ type: 'services', services: services as string[] }))
    on('ended', ({ reason }) => {
      disconnect()
      news({ type: 'ended', reason: reason as EndReason })
    })
    on('reconnect', () => {
      disconnect()
      later(1_000)
    })
    opened.onerror = () => {
      // Else the browser tries again by itself. Refused: the session or the stream is not to be had.
      if (opened.readyState !== EventSource.CLOSED || source !== opened) return
      source = undefined
      later(POLL_MS / 4)
    }
  }

  return {
    start() {
      if (waiting !== undefined) return
      const mine = new AbortController()
      waiting = mine
      const { signal } = mine
      // Whoever comes back from a login tells the other tabs by this.
      host.ask().catch(() => {})
      const locks = globalThis.navigator?.locks
      if (locks === undefined || typeof BroadcastChannel === 'undefined') return look()
      locks
        .request(host.name, { signal }, () => {
          look()
          return new Promise<void>((resolve) =>
            signal.addEventListener('abort', () => resolve(), { once: true }),
          )
        })
        // It was stopped while it waited.
        .catch(() => {})
    },
    stop() {
      waiting?.abort()
      waiting = undefined
      isElected = false
      disconnect()
    },
    wake() {
      if (isElected && source === undefined) later(0)
    },
  }
}
