import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { SessionResponse } from '@audience-bridge/contracts/session.ts'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { readCookie } from '../session/cookie.ts'
import { rotateSession } from '../session/rotation.ts'
import type { RouteDeps } from './deps.ts'

/**
 * GET /api/auth/session, alias /auth/session — what the browser may know of its session; never token
 * material. Asking does not count as activity: a page that polls must not keep a session alive.
 *
 * GET /auth/csrf — the `csrf_token` of it alone, or 401.
 */
export function sessionRoute(app: FastifyInstance, deps: RouteDeps): void {
  const answer = async (
    cookie: string | undefined,
    reply: FastifyReply,
  ): Promise<SessionResponse> => {
    const config = deps.config()
    const found = await deps.sessions.find(readCookie(cookie, config.cookies.sessionName))
    if (found.kind !== 'session') return { authenticated: false }
    let { session } = found
    const rotated = await rotateSession(deps.sessions, session, config.cookies)
    if (rotated !== undefined) {
      reply.header('set-cookie', rotated.setCookie)
      session = rotated.session
    }
    const idle = session.seenAt + config.bridge.settings.session.idle_seconds
    return {
      authenticated: true,
      user: session.user,
      csrf_token: session.ticket.csrf,
      expires_at: timeOf(session.expiresAt),
      idle_expires_at: timeOf(Math.min(idle, session.expiresAt)),
      services: [...config.requirements.values()]
        .filter((requirement) => deps.broker.usable(session, requirement) !== undefined)
        .map(({ service }) => service)
        .sort(),
    }
  }
  for (const path of ['/api/auth/session', '/auth/session']) {
    app.get(path, async (request, reply) => {
      reply.header('cache-control', 'no-store')
      return answer(request.headers.cookie, reply)
    })
  }
  app.get('/auth/csrf', async (request, reply) => {
    reply.header('cache-control', 'no-store')
    const session = await answer(request.headers.cookie, reply)
    if (session.authenticated) return { csrf_token: session.csrf_token }
    throw new ProblemError(
      'SESSION_REQUIRED',
      'sign in at /auth/login; without a session there is no token',
    )
  })
}

const timeOf = (seconds: number) => new Date(seconds * 1000).toISOString()
