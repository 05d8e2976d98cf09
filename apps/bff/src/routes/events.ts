import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { FastifyInstance } from 'fastify'
import { originFault, requestOrigin } from '../session/csrf.ts'
import type { RouteDeps } from './deps.ts'
import { sessionBody } from './session.ts'
import { SessionStreams } from './session-streams.ts'
import { requireOwnSession } from './sessions.ts'

/**
 * GET /api/auth/events — tells a page of its session as it happens (server-sent events): that it is
 * about to end, that it has and why, that the services which it may use are others. Listening does not
 * count as activity.
 */
export function eventsRoute(app: FastifyInstance, deps: RouteDeps): void {
  const streams = new SessionStreams({
    sessions: deps.sessions,
    view: (session) => sessionBody(deps, deps.config(), session),
    configVersion: () => deps.config().version,
    limits: () => deps.config().limits,
    warnSeconds: () => deps.config().bridge.settings.session.warn_seconds,
    clock: deps.clock,
  })
  deps.stopping.addEventListener('abort', () => streams.close(), { once: true })

  app.get('/api/auth/events', async (request, reply) => {
    const config = deps.config()
    const foreign = originFault(
      requestOrigin(request.method, request.headers),
      deps.frontendOf(request.raw).trustedOrigins,
    )
    if (foreign !== undefined) throw new ProblemError('ORIGIN_FORBIDDEN', foreign)
    const session = await requireOwnSession(deps, request, config)
    const stream = streams.open(session)
    if (stream === undefined) {
      throw new ProblemError('OVERLOADED', 'this session listens often enough; close a stream', {
        headers: { 'Retry-After': '30' },
      })
    }
    return (
      reply
        .header('content-type', 'text/event-stream')
        .header('cache-control', 'no-store')
        // nginx would keep events back until its buffer is full.
        .header('x-accel-buffering', 'no')
        .send(stream)
    )
  })
}
