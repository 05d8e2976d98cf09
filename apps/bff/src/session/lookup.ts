import { type CookiePolicy, readCookie } from './cookie.ts'
import type { Session } from './session.ts'
import type { SessionLookup, Sessions } from './sessions.ts'

/** Where a cookie was sent to, and under which configuration. */
interface At {
  /** What its sessions are told by. */
  frontend: { name: string; cookies: CookiePolicy }
  /** The IdPs where users sign in. */
  config: { idps: readonly { issuer: string }[] }
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
  const found = await sessions.find(readCookie(header, at.frontend.cookies.sessionName))
  if (found.kind !== 'session') return found
  if (found.session.frontend !== at.frontend.name) return { kind: 'none' }
  return isVouchedFor(found.session, at) ? found : { kind: 'ended' }
}

/** As `findSession`, without waiting; undefined when the store must be asked. */
export function peekSession(
  sessions: Sessions,
  at: At,
  header: string | undefined,
): Session | undefined {
  const cookie = readCookie(header, at.frontend.cookies.sessionName)
  const cached = cookie === undefined ? undefined : sessions.peek(cookie)
  if (cached?.frontend !== at.frontend.name) return undefined
  return isVouchedFor(cached, at) ? cached : undefined
}

/**
 * The attack: an IdP is taken out of the configuration, and its users go on, with the roles that it
 * gave them and under names that are those of our own users. Without it their sessions open nothing.
 * They are not deleted: a typing error in a file must not sign everybody out for good.
 */
const isVouchedFor = ({ issuer }: Session, { config }: At) =>
  config.idps.some((idp) => idp.issuer === issuer)
