import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { LiveSession, SessionResponse } from '@audience-bridge/contracts/session.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { BffConfig } from '../config.ts'
import type { Session } from '../session/session.ts'
import { viewSession } from '../session/session-view.ts'
import type { RouteDeps } from './deps.ts'
import { findOwnSession } from './own-session.ts'

/**
 * GET /api/auth/session, alias /auth/session — what the browser may know of its session; never token
 * material. Asking does not count as activity: a page that polls must not keep a session alive.
 *
 * GET /auth/csrf — the `csrf_token` of it alone, or 401.
 */
export function sessionRoute(app: FastifyInstance, deps: RouteDeps): void {
  const answer = async (request: FastifyRequest): Promise<SessionResponse> => {
    const config = deps.config()
    const found = await findOwnSession(deps, request, config)
    if (found.kind !== 'session') return { authenticated: false }
    return sessionBody(deps, config, found.session)
  }
  for (const path of ['/api/auth/session', '/auth/session']) {
    app.get(path, async (request, reply) => {
      reply.header('cache-control', 'no-store')
      return answer(request)
    })
  }
  app.get('/auth/csrf', async (request, reply) => {
    reply.header('cache-control', 'no-store')
    const session = await answer(request)
    if (session.authenticated) return { csrf_token: session.csrf_token }
    throw new ProblemError(
      'SESSION_REQUIRED',
      'sign in at /auth/login; without a session there is no token',
    )
  })
}

/** The body of the endpoint, which the events carry too. */
export function sessionBody(
  deps: Pick<RouteDeps, 'broker'>,
  config: BffConfig,
  session: Session,
): LiveSession {
  const services = [...config.requirements.values()]
    .filter((requirement) => deps.broker.usable(session, requirement) !== undefined)
    .map(({ service }) => service)
    .sort()
  return viewSession(session, config.limits, services)
}
