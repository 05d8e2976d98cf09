import type { SessionEndReason, SessionUser } from '@audience-bridge/contracts/session.ts'
import type { Ticket } from './ticket.ts'

/** What the IdP gave at the login, renewed by each refresh. Never leaves the BFF. */
export interface Grant {
  accessToken: string
  /** Seconds since the epoch. */
  accessExpiresAt: number
  refreshToken: string | undefined
  /** When the refresh token ends, where the IdP says so; seconds since the epoch. */
  refreshExpiresAt: number | undefined
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
  /** Thumbprint of the key that the token is bound to (RFC 9449 §6.1); undefined: a bearer token. */
  jkt?: string
  mintedAt: number
  /** When it is replaced ahead of its end, if the session is in use; seconds since the epoch. */
  renewAt: number
  /** When the BFF stops using it; at or before the token's own `exp`. */
  expiresAt: number
  /** Version of the configuration under which it was minted. */
  configVersion: string
}

/** Where a session was begun, to tell a stolen cookie: keyed hashes, or undefined where not known. */
export interface SessionBinding {
  agent: string | undefined
  network: string | undefined
}

/** What stays as it was at the login. */
export interface SessionOrigin {
  /** The IdP that the user signed in at. */
  issuer: string
  /** The IdP's session id, where it sent one. */
  sid: string | undefined
  /** The frontend that the user signed in to; a cookie is worth nothing at another. */
  frontend: string
  /** When the IdP's own session ends, where it says so (claim `session_expiry`); seconds. */
  idpSessionExpiresAt: number | undefined
  /** What the login asked for: a later configuration may ask for more. */
  requested: LoginRequest
  binding: SessionBinding
  /** `User-Agent` at the login, cut, for whoever looks through their sessions. */
  agent: string | undefined
}

/** A session as this process holds it. One object a session, shared by all its requests. */
export interface Session extends Readonly<SessionOrigin> {
  readonly ticket: Ticket
  user: SessionUser
  readonly createdAt: number
  readonly expiresAt: number
  seenAt: number
  /** When `seenAt` was last written to the store. */
  touchedAt: number
  /** When the store last had it, in milliseconds of `performance.now()`. */
  checkedAt: number
  grant: Grant
  /** Version of the record in the store. */
  version: number
  readonly tokens: Map<string, ServiceToken>
  /** The IdP has since given the user more roles than these: they hold from the next login on. */
  raised: boolean
  /** How often a change by another node was heard of. */
  changesHeard: number
  ended: boolean
}

/** What of a session is kept sealed. */
export type SessionContent = SessionOrigin & Pick<Session, 'user' | 'grant' | 'raised'>

/** A session in memory, as it is in the store. */
export function startSession(
  ticket: Ticket,
  from: SessionContent,
  times: Pick<Session, 'createdAt' | 'expiresAt' | 'seenAt'> & { version?: number },
  checkedAt = performance.now(),
): Session {
  const { createdAt, expiresAt, seenAt, version = 1 } = times
  const { user, issuer, sid, frontend, idpSessionExpiresAt, requested, binding, agent } = from
  return {
    ...{ ticket, user, issuer, sid, frontend, idpSessionExpiresAt, requested, binding, agent },
    ...{ createdAt, expiresAt, seenAt, touchedAt: seenAt, checkedAt, version },
    grant: from.grant,
    tokens: new Map(),
    raised: from.raised,
    changesHeard: 0,
    ended: false,
  }
}

/** What is sealed in the store. Versioned: a record of another version is not understood. */
export interface SessionRecord {
  v: 2
  user: SessionUser
  raised?: boolean
  issuer: string
  sid?: string
  frontend: string
  idp_session_expires_at?: number
  grant: {
    access_token: string
    access_expires_at: number
    refresh_token?: string
    refresh_expires_at?: number
    id_token: string
    scopes: string[]
  }
  requested: LoginRequest
  binding: { agent?: string; network?: string }
  agent?: string
}

export function recordOf(session: SessionContent): SessionRecord {
  const { grant, binding } = session
  return {
    v: 2,
    user: session.user,
    ...(session.raised ? { raised: true } : {}),
    issuer: session.issuer,
    ...given('sid', session.sid),
    frontend: session.frontend,
    ...given('idp_session_expires_at', session.idpSessionExpiresAt),
    grant: {
      access_token: grant.accessToken,
      access_expires_at: grant.accessExpiresAt,
      ...given('refresh_token', grant.refreshToken),
      ...given('refresh_expires_at', grant.refreshExpiresAt),
      id_token: grant.idToken,
      scopes: grant.scopes,
    },
    requested: session.requested,
    binding: { ...given('agent', binding.agent), ...given('network', binding.network) },
    ...given('agent', session.agent),
  }
}

/** What a record tells, but for the ticket under which it was found. */
export function readRecord(record: SessionRecord): SessionContent {
  const { grant } = record
  return {
    user: record.user,
    raised: record.raised === true,
    issuer: record.issuer,
    sid: record.sid,
    frontend: record.frontend,
    idpSessionExpiresAt: record.idp_session_expires_at,
    requested: record.requested,
    binding: { agent: record.binding.agent, network: record.binding.network },
    agent: record.agent,
    grant: {
      accessToken: grant.access_token,
      accessExpiresAt: grant.access_expires_at,
      refreshToken: grant.refresh_token,
      refreshExpiresAt: grant.refresh_expires_at,
      idToken: grant.id_token,
      scopes: grant.scopes,
    },
  }
}

function given<K extends string, T>(key: K, value: T | undefined): Record<K, T> | object {
  return value === undefined ? {} : { [key]: value }
}

/**
 * How a session came to its end.
 *
 * - `logout`: by its user; `everywhere`: by its user, from another session
 * - `login`: a new login took its place
 * - `idle`, `absolute`: a limit
 * - `grant_ended`: the IdP refused to renew it
 * - `idp_logout`: the IdP said so (back-channel or front-channel)
 * - `admin`: an administrator ended it
 */
export type SessionEnd = Exclude<SessionEndReason, 'gone'>

/** Whether a session has passed a limit, and which. */
export function limitPassed(
  session: Pick<Session, 'seenAt' | 'expiresAt'>,
  now: number,
  idleSeconds: number,
): 'idle' | 'absolute' | undefined {
  if (now >= session.expiresAt) return 'absolute'
  return now >= session.seenAt + idleSeconds ? 'idle' : undefined
}
