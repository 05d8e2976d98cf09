import { type CookiePolicy, writeCookie } from './cookie.ts'
import type { Session } from './session.ts'
import type { Sessions } from './sessions.ts'

/**
 * The session under its new id with the `Set-Cookie` that tells the browser, once the user's
 * privileges have changed: an id that somebody came to know before must not open what it did not
 * open then (session fixation). Undefined when nothing has changed or another answer carries it.
 */
export async function rotateSession(
  sessions: Sessions,
  session: Session,
  { sessionName, domain, sameSite }: CookiePolicy,
): Promise<{ session: Session; setCookie: string } | undefined> {
  if (!session.privilegesChanged) return undefined
  const successor = await sessions.rotate(session)
  if (successor === undefined) return undefined
  const setCookie = writeCookie(sessionName, successor.ticket.cookie, { domain, sameSite })
  return { session: successor, setCookie }
}
