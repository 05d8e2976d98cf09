import type { SessionUser } from '@audience-bridge/contracts/session.ts'
import type { Ticket } from './ticket.ts'

/** What the IdP gave at the login, renewed by each refresh. Never leaves the BFF. */
export interface Grant {
  accessToken: string
  /** Seconds since the epoch. */
  accessExpiresAt: number
  refreshToken: string | undefined
  idToken: string
  scopes: string[]
}

/** What a login asks the IdP for. */
export interface LoginRequest {
  scopes: string[]
  /** RFC 8707 resources. */
  resources: string[]
}

/** A token for one service, verified before it was kept. */
export interface ServiceToken {
  service: string
  audience: string
  /** Scopes that were asked for, sorted; part of the token's identity. */
  asked: string
  /** Scopes that it carries. */
  scopes: string[]
  mint: string
  token: string
  mintedAt: number
  /** When the BFF stops using it; at or before the token's own `exp`. */
  expiresAt: number
  /** Version of the configuration under which it was minted. */
  configVersion: string
}

/** A session as this process holds it. One object a session, shared by all its requests. */
export interface Session {
  readonly ticket: Ticket
  readonly user: SessionUser
  /** The IdP's session id, where it sent one. */
  readonly sid: string | undefined
  readonly createdAt: number
  readonly expiresAt: number
  seenAt: number
  /** When `seenAt` was last written to the store. */
  touchedAt: number
  /** When the store last had it, in milliseconds of `performance.now()`. */
  checkedAt: number
  grant: Grant
  /** What the login asked for: a later configuration may ask for more. */
  readonly requested: LoginRequest
  /** Version of the record in the store. */
  version: number
  readonly tokens: Map<string, ServiceToken>
  ended: boolean
}

/** What is sealed in the store. Versioned: an old record is migrated when it is read. */
export interface SessionRecord {
  v: 1
  user: SessionUser
  sid?: string
  grant: {
    access_token: string
    access_expires_at: number
    refresh_token?: string
    id_token: string
    scopes: string[]
  }
  requested: LoginRequest
}

export function recordOf(
  session: Pick<Session, 'user' | 'sid' | 'grant' | 'requested'>,
): SessionRecord {
  const { grant } = session
  return {
    v: 1,
    user: session.user,
    ...(session.sid === undefined ? {} : { sid: session.sid }),
    grant: {
      access_token: grant.accessToken,
      access_expires_at: grant.accessExpiresAt,
      ...(grant.refreshToken === undefined ? {} : { refresh_token: grant.refreshToken }),
      id_token: grant.idToken,
      scopes: grant.scopes,
    },
    requested: session.requested,
  }
}

export function grantOf({ grant }: SessionRecord): Grant {
  return {
    accessToken: grant.access_token,
    accessExpiresAt: grant.access_expires_at,
    refreshToken: grant.refresh_token,
    idToken: grant.id_token,
    scopes: grant.scopes,
  }
}

/** How a session came to its end: by its user, a new login, a limit, or the IdP. */
export type SessionEnd = 'logout' | 'login' | 'idle' | 'absolute' | 'grant_ended'

/** Whether a session has passed a limit, and which. */
export function limitPassed(
  session: Pick<Session, 'seenAt' | 'expiresAt'>,
  now: number,
  idleSeconds: number,
): 'idle' | 'absolute' | undefined {
  if (now >= session.expiresAt) return 'absolute'
  return now >= session.seenAt + idleSeconds ? 'idle' : undefined
}
