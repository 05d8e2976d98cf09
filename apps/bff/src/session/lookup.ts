import { type CookiePolicy, readCookie } from './cookie.ts'
import type { Session } from './session.ts'
import type { SessionLookup, Sessions } from './sessions.ts'

/** Of a frontend, what its sessions are told by. */
interface At {
  name: string
  cookies: CookiePolicy
}

/**
 * The session of a request to a frontend; the only way to one by its cookie.
 *
 * The attack: a cookie that was set for one frontend is sent to another, by hand or because a shared
 * domain covers both: a session of the small application would open the large one. The record names
 * its frontend; at another the cookie is none.
 */
export async function findSession(
  sessions: Sessions,
  at: At,
  header: string | undefined,
): Promise<SessionLookup> {
  const found = await sessions.find(readCookie(header, at.cookies.sessionName))
  return found.kind === 'session' && found.session.frontend !== at.name ? { kind: 'none' } : found
}

/** As `findSession`, without waiting; undefined when the store must be asked. */
export function peekSession(
  sessions: Sessions,
  at: At,
  header: string | undefined,
): Session | undefined {
  const cookie = readCookie(header, at.cookies.sessionName)
  const cached = cookie === undefined ? undefined : sessions.peek(cookie)
  return cached?.frontend === at.name ? cached : undefined
}
