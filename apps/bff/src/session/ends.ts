import type { SessionLimit } from '@audience-bridge/contracts/session.ts'
import type { Session } from './session.ts'
import type { SessionLimits } from './sessions.ts'

/** When each limit ends a session, in seconds since the epoch; those that there are. */
export type LimitTimes = { idle: number; absolute: number } & Partial<Record<SessionLimit, number>>

/**
 * The limits of a session as things stand. `idle` slides with its use and `refresh_token` with each
 * renewal of the grant; a grant that cannot be renewed ends with its access token.
 */
export function limitTimes(
  session: Pick<Session, 'createdAt' | 'seenAt' | 'expiresAt' | 'idpSessionExpiresAt' | 'grant'>,
  { idleSeconds, absoluteSeconds }: SessionLimits,
): LimitTimes {
  const { expiresAt, idpSessionExpiresAt: idpSession, grant } = session
  const renewable =
    grant.refreshToken === undefined ? grant.accessExpiresAt : grant.refreshExpiresAt
  return {
    idle: session.seenAt + idleSeconds,
    // The hard limit is the IdP's where that one comes first.
    absolute: expiresAt === idpSession ? session.createdAt + absoluteSeconds : expiresAt,
    ...(renewable === undefined ? {} : { refresh_token: renewable }),
    ...(idpSession === undefined ? {} : { idp_session: idpSession }),
  }
}

/** The limit that comes first. */
export function firstLimit(times: LimitTimes): { at: number; by: SessionLimit } {
  const [first] = Object.entries(times).sort(([, a], [, b]) => a - b)
  const [by, at] = first ?? ['absolute', times.absolute]
  return { at, by: by as SessionLimit }
}
