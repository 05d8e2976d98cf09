import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { OwnSession } from '@audience-bridge/contracts/session.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { BffConfig } from '../config.ts'
import { agentLabel } from '../session/agent.ts'
import type { KnownSession } from '../session/card.ts'
import { csrfFault, requestOrigin } from '../session/csrf.ts'
import type { Session } from '../session/session.ts'
import { rfc3339 } from '../session/session-view.ts'
import { principalIn } from '../tokens/claims.ts'
import type { RouteDeps } from './deps.ts'
import { endSessions } from './end-sessions.ts'
import { findOwnSession } from './own-session.ts'

/**
 * GET /api/auth/sessions — the caller's own sessions, on any browser.
 * DELETE /api/auth/sessions/:id — ends one of them; needs the CSRF token.
 */
export function sessionsRoutes(app: FastifyInstance, deps: RouteDeps): void {
  app.get('/api/auth/sessions', async (request, reply) => {
    reply.header('cache-control', 'no-store')
    const config = deps.config()
    const session = await requireOwnSession(deps, request, config)
    const known = await deps.directory.ofUser(session.issuer, session.user.sub)
    const sessions = known
      .sort((a, b) => b.seenAt - a.seenAt)
      .map(
        (one): OwnSession => ({
          ...viewKnown(one, config.bridge.settings.session.idle_seconds),
          current: one.id === session.ticket.id,
        }),
      )
    return { sessions }
  })

  app.delete<{ Params: { id: string } }>('/api/auth/sessions/:id', async (request, reply) => {
    reply.header('cache-control', 'no-store')
    const config = deps.config()
    const session = await requireOwnSession(deps, request, config)
    const sender = requestOrigin(request.method, request.headers)
    const { trustedOrigins } = deps.frontendOf(request.raw)
    const fault = csrfFault(sender, session.ticket.csrf, trustedOrigins)
    if (fault !== undefined) throw new ProblemError('CSRF_REJECTED', fault)
    // Looked for among one's own: somebody else's is as unknown as one that never was.
    const own = await deps.directory.ofUser(session.issuer, session.user.sub)
    const wanted = own.filter(({ id }) => id === request.params.id)
    if (wanted.length === 0) throw new ProblemError('NOT_FOUND', 'no session of yours has this id')
    const reason = wanted[0]?.id === session.ticket.id ? 'logout' : 'everywhere'
    await endSessions(deps, wanted, {
      ...{ reason, by: principalIn(config.idps, session), correlationId: request.id },
    })
    return reply.code(204).send()
  })
}

/** What anybody may be told of a session that is listed. */
export function viewKnown(known: KnownSession, idleSeconds: number): Omit<OwnSession, 'current'> {
  const { id, card, createdAt, seenAt, expiresAt } = known
  return {
    id,
    ...(card.agent === undefined ? {} : { agent: agentLabel(card.agent) }),
    created_at: rfc3339(createdAt),
    seen_at: rfc3339(seenAt),
    expires_at: rfc3339(Math.min(expiresAt, seenAt + idleSeconds)),
  }
}

/** @throws ProblemError 401 for a caller without a session that it may use. */
export async function requireOwnSession(
  deps: RouteDeps,
  request: FastifyRequest,
  config: BffConfig,
): Promise<Session> {
  const found = await findOwnSession(deps, request, config)
  if (found.kind === 'session') return found.session
  if (found.kind === 'none') throw new ProblemError('SESSION_REQUIRED', 'sign in at /auth/login')
  throw new ProblemError('SESSION_EXPIRED', 'the session has ended; sign in again at /auth/login')
}
