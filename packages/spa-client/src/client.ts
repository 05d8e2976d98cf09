import { addressOf, returnTo, urlOf } from './address.ts'
import { createDepartures, type DepartureHost } from './departure.ts'
import { ApiError } from './error.ts'
import { createSender, type RequestOptions } from './send.ts'
import { createSessions, type Session, type SessionListener } from './session.ts'
import { joinTabs, type TabMessage, type Tabs } from './tabs.ts'
import { createWatch, type NewsListener, type SessionNews } from './watch.ts'

export type { ErrorCode, LocalCode, ProblemCode } from './code.ts'
export { ApiError } from './error.ts'
export type { RequestOptions } from './send.ts'
export type {
  EndReason,
  LiveSession,
  Session,
  SessionEnds,
  SessionLimit,
  SessionListener,
  SessionUser,
} from './session.ts'
export type { NewsListener, SessionNews } from './watch.ts'

export interface ClientOptions {
  /** Where the BFF is; by default the page's own origin. May end in `/api`. */
  baseUrl?: string | undefined
  /** The BFF's path that begins a sign-in. */
  loginPath?: string
  /** Leaves the page; by default `location.assign`. */
  navigate?: (url: string) => void
  /**
   * Told once when the session is lost, before the page leaves for the login: the place to keep a
   * draft. `false`, or a promise of it, keeps the page; the calls fail with their error.
   */
  onSessionLost?: (error: ApiError) => unknown
  /** The same before the page leaves because a service needs more than the sign-in granted. */
  onReauthorize?: (error: ApiError) => unknown
  /**
   * Whose failure may leave the page: by default only GET and HEAD. A person who has just sent a form
   * still has it on the screen, and the page decides what becomes of it.
   */
  leaveOn?: 'safe' | 'any'
  /** Stand-ins for what is the browser's, for tests. */
  host?: Partial<Omit<DepartureHost, 'navigate'> & { location: { readonly href: string } }>
}

export interface Client {
  /**
   * `fetch` with the session cookie, for a canonical path such as `/api/v1/analytics/workflows`.
   *
   * @throws ApiError for every answer from 400 and for none at all; an abort stays what it is.
   */
  fetch(path: string, options?: RequestOptions): Promise<Response>
  session(): Promise<Session>
  /** Leaves for the login; comes back here, or to `returnTo`. */
  login(returnTo?: string): void
  /**
   * Ends the session, or with `everywhere` all sessions of the user on any device; then leaves for where
   * the IdP's own session ends.
   */
  logout(options?: { everywhere?: boolean }): Promise<void>
  /**
   * Told whenever somebody else is signed in than was known, or nobody any more: by a call, in another
   * tab, or while the page was out of sight.
   *
   * @returns ends it.
   */
  onSessionChange(listener: SessionListener): () => void
  /**
   * Told by the BFF, as it happens, that the session is about to end or has ended and why. One tab of
   * the browser keeps the connection, for all of them.
   *
   * @returns ends it.
   */
  watch(listener: NewsListener): () => void
  /** Stops listening to the BFF, to other tabs and to the window. */
  close(): void
}

const SESSION = '/api/auth/session'
const EVENTS = '/api/auth/events'

export function createClient(options: ClientOptions = {}): Client {
  const location = options.host?.location ?? globalThis.location
  const address = addressOf(options.baseUrl, location.href)
  const navigate = options.navigate ?? ((url) => globalThis.location.assign(url))
  const loginUrl = new URL(address.own(options.loginPath ?? '/auth/login'))
  /** What the page decided about the present loss; asked once, however many calls fail. */
  let verdict: Promise<unknown> | undefined
  let isEcho = false
  /** This page is signing out: that the session ends is no news to it. */
  let isLeaving = false
  const watchers = new Set<NewsListener>()

  const departures = createDepartures(
    {
      navigate,
      now: Date.now,
      isVisible: () => globalThis.document?.visibilityState !== 'hidden',
      storage: tabStorage,
      stayMs: 10_000,
      ...options.host,
    },
    () => tabs,
  )
  const sessions = createSessions(
    async () => (await sender.send(SESSION, { cache: 'no-store' })).json().catch(() => undefined),
    (session) => {
      if (session.authenticated) {
        verdict = undefined
        departures.settled()
        watch.wake()
      }
      // What another tab told is not told again, or tabs would never fall silent.
      if (!isEcho) tabs.tell({ type: 'changed' })
    },
  )
  const sender = createSender(address, sessions)
  const tabs: Tabs = joinTabs(`audience-bridge:${address.own('/')}`, (message: TabMessage) => {
    if (message.type === 'leaving') return departures.hear(message)
    if (message.type === 'news') {
      isEcho = true
      hear(message.news)
      isEcho = false
      return
    }
    sessions.forget()
    refresh(true)
  })

  const watch = createWatch({
    url: address.own(EVENTS),
    withCredentials: address.isForeign,
    name: `audience-bridge:events:${address.own('/')}`,
    tell: (news) => tabs.tell({ type: 'news', news }),
    hear,
    take: sessions.take,
    ask: () => sessions.read().then((session) => (session.authenticated ? session : undefined)),
  })

  function hear(news: SessionNews): void {
    if (watchers.size === 0 || isLeaving) return
    for (const watcher of watchers) queueMicrotask(() => watcher(news))
    if (news.type !== 'ended') return
    // A new login in this browser: the session that is there now is another one.
    if (news.reason === 'login') {
      sessions.forget()
      return refresh(true)
    }
    const title = 'The session has ended'
    lose(
      new ApiError('SESSION_EXPIRED', 401, { title, code: 'SESSION_EXPIRED', reason: news.reason }),
    )
  }

  /** @returns what the page decided. */
  function lose(error: ApiError): Promise<unknown> {
    sessions.lost()
    verdict ??= Promise.resolve(options.onSessionLost?.(error))
    return verdict
  }

  function refresh(echo: boolean): void {
    if (!sessions.isListenedTo() && watchers.size === 0) return
    isEcho = echo
    sessions
      .read()
      // Nothing is known now; the next call tells why.
      .catch(() => {})
      .finally(() => {
        isEcho = false
      })
  }

  const look = () => {
    if (globalThis.document?.visibilityState !== 'hidden') refresh(false)
  }
  // `visibilitychange` bubbles from the document to its window.
  const events = ['focus', 'visibilitychange']
  for (const event of events) globalThis.addEventListener?.(event, look)

  const withReturn = (url: URL, back = location.href) => {
    const page = new URL(back, location.href)
    url.searchParams.set('return_to', returnTo(page, address.origin))
    return url.href
  }

  /** Leaves where that helps. Only these codes do: any other 401 is about a service's token. */
  async function recover(error: ApiError, isSafe: boolean): Promise<void> {
    if (error.status !== 401) return
    const mayLeave = isSafe || options.leaveOn === 'any'
    if (error.code === 'SESSION_REQUIRED' || error.code === 'SESSION_EXPIRED') {
      const decided = lose(error)
      if ((await decided) !== false && mayLeave) {
        await departures.leave('login', withReturn(loginUrl), () => decided)
      }
    } else if (error.code === 'REAUTHORIZATION_REQUIRED') {
      const url = urlOf(error.problem.login_url, address.own('/'))
      // The attack: an answer that was tampered with sends people to another site's login.
      if (url?.origin !== address.origin || !mayLeave) return
      const ask = () => options.onReauthorize?.(error)
      await departures.leave(`reauthorize:${error.service}`, withReturn(url), ask)
    }
  }

  return {
    async fetch(path, init = {}) {
      try {
        const answer = await sender.send(path, init)
        // After a loss, the first answer is the occasion to learn whether it is over.
        if (verdict !== undefined) sessions.read().catch(() => {})
        return answer
      } catch (error) {
        if (error instanceof ApiError) await recover(error, sender.isSafe(init.method))
        throw error
      }
    },
    session: sessions.read,
    login(back) {
      navigate(withReturn(loginUrl, back))
    },
    async logout({ everywhere = false } = {}) {
      isLeaving = true
      const answer = await sender
        .send(`/auth/logout${everywhere ? '?everywhere=true' : ''}`, {
          method: 'POST',
          headers: { accept: 'application/json' },
        })
        .catch((error) => {
          isLeaving = false
          throw error
        })
      sessions.lost()
      const body = await answer.json().catch(() => undefined)
      const url = urlOf(body?.logout_url, location.href)
      // The attack: an answer that was tampered with runs a `javascript:` address here.
      navigate(url && /^https?:$/.test(url.protocol) ? url.href : new URL('/', location.href).href)
    },
    onSessionChange: sessions.listen,
    watch(listener) {
      watchers.add(listener)
      watch.start()
      return () => {
        watchers.delete(listener)
        if (watchers.size === 0) watch.stop()
      }
    },
    close() {
      watch.stop()
      for (const event of events) globalThis.removeEventListener?.(event, look)
      departures.close()
      tabs.close()
    },
  }
}

/** Where the browser forbids storage, what keeps a page from looping cannot be kept: nobody leaves. */
function tabStorage(): Pick<Storage, 'getItem' | 'setItem'> {
  try {
    return globalThis.sessionStorage
  } catch {
    return { getItem: () => String(Date.now()), setItem() {} }
  }
}
