import type { LiveSession } from '@audience-bridge/contracts/session.ts'
import { firstLimit, limitTimes } from './ends.ts'
import type { Session } from './session.ts'
import type { SessionLimits } from './sessions.ts'

export const rfc3339 = (seconds: number) => new Date(seconds * 1000).toISOString()

/**
 * What the page of a session may know of it; never token material.
 *
 * @param services whose kept tokens are usable now.
 */
export function viewSession(
  session: Session,
  limits: SessionLimits,
  services: string[],
): LiveSession {
  const times = limitTimes(session, limits)
  const { at, by } = firstLimit(times)
  const { refresh_token: refreshToken, idp_session: idpSession } = times
  return {
    authenticated: true,
    user: session.user,
    csrf_token: session.ticket.csrf,
    expires_at: rfc3339(session.expiresAt),
    idle_expires_at: rfc3339(Math.min(times.idle, session.expiresAt)),
    services,
    ends: { at: rfc3339(at), by },
    limits: {
      idle: rfc3339(times.idle),
      absolute: rfc3339(times.absolute),
      ...(refreshToken === undefined ? {} : { refresh_token: rfc3339(refreshToken) }),
      ...(idpSession === undefined ? {} : { idp_session: rfc3339(idpSession) }),
    },
  }
}
