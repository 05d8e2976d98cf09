import { z } from 'zod'

/** Who is signed in, as the browser may know it. */
export const sessionUser = z.object({
  sub: z.string(),
  name: z.string().optional(),
  email: z.string().optional(),
  roles: z.array(z.string()),
})

/** `GET /api/auth/session` without a session: an answer, not an error. */
export const anonymousSession = z.object({ authenticated: z.literal(false) })

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
})

export const sessionResponse = z.discriminatedUnion('authenticated', [
  anonymousSession,
  liveSession,
])

export type SessionUser = z.infer<typeof sessionUser>
export type SessionResponse = z.infer<typeof sessionResponse>
