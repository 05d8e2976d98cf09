import { ApiError, isRecord } from './error.ts'

export interface SessionUser {
  sub: string
  name?: string
  email?: string
  roles: string[]
}

/** What ends a session by itself; the first of them does. */
export type SessionLimit = 'idle' | 'absolute' | 'refresh_token' | 'idp_session'

/** Why a session has ended; `gone`: nobody knows any more. */
export type EndReason =
  | 'logout'
  | 'everywhere'
  | 'login'
  | 'idle'
  | 'absolute'
  | 'grant_ended'
  | 'idp_logout'
  | 'admin'
  | 'gone'

export interface SessionEnds {
  at: Date
  by: SessionLimit
}

export interface LiveSession {
  authenticated: true
  user: SessionUser
  /** The end, whatever the activity. */
  expiresAt: Date
  /** The end without activity; asking for the session is none. */
  idleExpiresAt: Date
  /** When the session ends as things stand, and by which limit. */
  ends: SessionEnds
  /** Services for which a token is at hand; others get theirs with the first call. */
  services: string[]
}

export type Session = { authenticated: false } | LiveSession

export type SessionListener = (session: Session) => void

export interface Sessions {
  /** Asks the BFF; whoever asks meanwhile shares the answer. */
  read(): Promise<Session>
  /** Takes a body that the BFF sent by itself. */
  take(body: unknown): void
  /** For `X-CSRF-Token`; undefined without a session. */
  csrfToken(): Promise<string | undefined>
  /** Asks for another token next time, unless that has happened since this one was sent. */
  refused(token: string | null): void
  /** Everything known may have changed. */
  forget(): void
  /** The `sub` of who is signed in, as far as this page knows. */
  user(): string | undefined
  /** An answer said that there is no session any more. */
  lost(): void
  listen(listener: SessionListener): () => void
  isListenedTo(): boolean
}

/**
 * What this page knows of its session.
 *
 * @param ask the body of `GET /api/auth/session`.
 * @param changed is told when somebody else is signed in than was known, or nobody.
 */
export function createSessions(
  ask: () => Promise<unknown>,
  changed: (session: Session) => void,
): Sessions {
  const listeners = new Set<SessionListener>()
  let asking: Promise<Session> | undefined
  let token: string | undefined
  let user: string | undefined
  let known: string | undefined

  function learn(session: Session): void {
    user = session.authenticated ? session.user.sub : undefined
    const now = session.authenticated ? JSON.stringify(session.user) : ''
    if (now === known) return
    known = now
    // A listener that throws must not fail the call that brought the news.
    for (const listener of listeners) queueMicrotask(() => listener(session))
    changed(session)
  }

  function read(): Promise<Session> {
    if (asking !== undefined) return asking
    const mine: Promise<Session> = ask().then((body) => {
      // What was asked before the session was lost tells of a session that is no more.
      if (asking !== mine) return parse(body)
      asking = undefined
      return take(body)
    })
    asking = mine
    mine.catch(() => {
      if (asking === mine) asking = undefined
    })
    return mine
  }

  function take(body: unknown): Session {
    const session = parse(body)
    token = session.authenticated ? textOf(body, 'csrf_token') : undefined
    learn(session)
    return session
  }

  const forget = () => {
    token = undefined
    asking = undefined
  }
  return {
    read,
    take,
    forget,
    refused(sent) {
      if (sent === token) forget()
    },
    async csrfToken() {
      if (token === undefined) await read()
      return token
    },
    user: () => user,
    lost() {
      forget()
      learn({ authenticated: false })
    },
    listen(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    isListenedTo: () => listeners.size > 0,
  }
}

function parse(body: unknown): Session {
  if (isRecord(body) && body.authenticated === false) return { authenticated: false }
  if (isRecord(body) && body.authenticated === true && isRecord(body.user)) {
    const { at, by } = (body.ends ?? {}) as { at?: unknown; by?: SessionLimit }
    return {
      authenticated: true,
      user: body.user as unknown as SessionUser,
      expiresAt: new Date(String(body.expires_at)),
      idleExpiresAt: new Date(String(body.idle_expires_at)),
      ends: { at: new Date(String(at ?? body.idle_expires_at)), by: by ?? 'idle' },
      services: body.services as string[],
    }
  }
  // A development server that answers every path with its page is the usual cause.
  throw new ApiError('ANSWER_INVALID', 200, {
    title: 'The session could not be read',
    detail: '/api/auth/session did not answer as a BFF does; is it proxied to one?',
  })
}

function textOf(body: unknown, member: string): string | undefined {
  const value = isRecord(body) ? body[member] : undefined
  return typeof value === 'string' ? value : undefined
}
