import { z } from 'zod'

/** Who is signed in, as the browser may know it. */
export const sessionUser = z.object({
  sub: z.string(),
  name: z.string().optional(),
  email: z.string().optional(),
  roles: z.array(z.string()),
  /** Where the IdP's claims are mapped to permissions. */
  permissions: z.array(z.string()).optional(),
})

/** `GET /api/auth/session` without a session: an answer, not an error. */
export const anonymousSession = z.object({ authenticated: z.literal(false) })

/** What can end a session by itself: the first of them does. */
export const sessionLimit = z.enum(['idle', 'absolute', 'refresh_token', 'idp_session'])

/** How a session came to its end, as its page is told; `gone`: another node knows why. */
export const sessionEndReason = z.enum([
  'logout',
  'everywhere',
  'login',
  'idle',
  'absolute',
  'grant_ended',
  'idp_logout',
  'admin',
  'gone',
])

/** The limit that comes first; `at` is RFC 3339, UTC. */
export const sessionEnds = z.object({ at: z.string(), by: sessionLimit })

/** `GET /api/auth/session` with a session; never token material. */
export const liveSession = z.object({
  authenticated: z.literal(true),
  user: sessionUser,
  /** Goes into `X-CSRF-Token` on POST, PUT, PATCH and DELETE. */
  csrf_token: z.string(),
  /** RFC 3339, UTC: the hard limit, whatever the activity. */
  expires_at: z.string(),
  /** RFC 3339, UTC: the limit without activity. */
  idle_expires_at: z.string(),
  /** Services for which this session holds a verified token now. */
  services: z.array(z.string()),
  ends: sessionEnds,
  /** RFC 3339, UTC, of each limit that there is. `idle` moves with the activity, `refresh_token` with each renewal. */
  limits: z.object({
    idle: z.string(),
    absolute: z.string(),
    refresh_token: z.string().optional(),
    idp_session: z.string().optional(),
  }),
})

export const sessionResponse = z.discriminatedUnion('authenticated', [
  anonymousSession,
  liveSession,
])

/**
 * One session as `GET /api/auth/sessions` lists it to its own user. The id opens nothing: it is a
 * hash of what the cookie holds.
 */
export const ownSession = z.object({
  id: z.string(),
  /** The one that asks. */
  current: z.boolean(),
  /** Browser and system, such as `Firefox on Linux`; absent where the browser did not say. */
  agent: z.string().optional(),
  /** RFC 3339, UTC; within a minute for `seen_at`. */
  created_at: z.string(),
  seen_at: z.string(),
  /** RFC 3339, UTC: the first of its idle and its absolute limit. */
  expires_at: z.string(),
})

export const ownSessions = z.object({ sessions: z.array(ownSession) })

/** One session as `GET /admin/sessions` lists it. */
export const adminSession = ownSession.omit({ current: true }).extend({
  sub: z.string(),
  name: z.string().optional(),
  issuer: z.string(),
  /** The IdP's id of its own session, as logout tokens name it. */
  sid: z.string().optional(),
  frontend: z.string(),
})

export const adminSessions = z.object({
  sessions: z.array(adminSession),
  /** Of all sessions, or of those that the filter names; some may just have expired. */
  count: z.int(),
  /** For `after`; absent on the last page. A page may hold fewer than `limit` before it. */
  next: z.string().optional(),
})

/** `DELETE /admin/sessions/:id` and `?user=`: how many were ended now. */
export const endedSessions = z.object({ ended: z.int() })

/** The events of `GET /api/auth/events`, by their names. */
export const sessionEvents = {
  /** On connecting, and when a limit that was announced has moved away. */
  session: liveSession,
  expiring: z.object({ ends: sessionEnds, seconds: z.int() }),
  ended: z.object({ reason: sessionEndReason }),
  services: z.object({ services: z.array(z.string()), config_version: z.string() }),
  /** The session has a new id, or this node stops: connect again. */
  reconnect: z.object({}),
}

export type SessionEndReason = z.infer<typeof sessionEndReason>
export type SessionLimit = z.infer<typeof sessionLimit>
export type LiveSession = z.infer<typeof liveSession>
export type OwnSession = z.infer<typeof ownSession>
export type AdminSession = z.infer<typeof adminSession>
export type SessionEventName = keyof typeof sessionEvents
export type SessionUser = z.infer<typeof sessionUser>
export type SessionResponse = z.infer<typeof sessionResponse>
