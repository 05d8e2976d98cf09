import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { AdminSession } from '@audience-bridge/contracts/session.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { KnownSession } from '../session/card.ts'
import type { RouteDeps } from './deps.ts'
import { endSessions } from './end-sessions.ts'
import { viewKnown } from './sessions.ts'

const id = z.string().regex(/^[0-9a-f]{64}$/)
const name = z.string().min(1).max(512)

const listQuery = z.strictObject({
  user: name.optional(),
  sid: name.optional(),
  issuer: name.optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
  after: z.string().max(512).optional(),
})

const issuer = name.optional()
const endQuery = z.union([
  z.strictObject({ user: name, issuer }),
  z.strictObject({ sid: name, issuer }),
])

/** A user, or a session at an IdP, and which IdP's. */
interface Who {
  user?: string | undefined
  sid?: string | undefined
  issuer?: string | undefined
}

/**
 * GET /admin/sessions — who is signed in: all, a page at a time, or those of a user or of a session at
 * the IdP. DELETE /admin/sessions/:id, or ?user= or ?sid= — ends them on every node, and their grants.
 * Registered below the administrators' guard.
 */
export function adminSessionRoutes(app: FastifyInstance, deps: RouteDeps): void {
  /** Of the IdP of `auth`, unless another issuer is named: the same name there is somebody else's. */
  const find = ({ user, sid, issuer = deps.config().idp.issuer }: Who) => {
    if (user !== undefined) return deps.directory.ofUser(issuer, user)
    return deps.directory.ofIdpSession(issuer, sid ?? '')
  }
  const end = (request: FastifyRequest, sessions: readonly KnownSession[]) => {
    const by = deps.exchangeOf(request.raw)?.subject ?? 'admin.token'
    return endSessions(deps, sessions, { reason: 'admin', by, correlationId: request.id })
  }

  app.get('/admin/sessions', async (request) => {
    const query = listQuery.safeParse(request.query)
    if (!query.success) {
      throw new ProblemError('BAD_REQUEST', 'user or sid, or limit=1..500 and after, at most')
    }
    const { limit, after } = query.data
    const idleSeconds = deps.config().bridge.settings.session.idle_seconds
    const view = (known: KnownSession): AdminSession => {
      const { sub, name, issuer, sid, frontend } = known.card
      return {
        ...viewKnown(known, idleSeconds),
        ...{ sub, issuer, frontend },
        ...(name === undefined ? {} : { name }),
        ...(sid === undefined ? {} : { sid }),
      }
    }
    if (query.data.user !== undefined || query.data.sid !== undefined) {
      const sessions = await find(query.data)
      return { sessions: sessions.map(view), count: sessions.length }
    }
    const [count, { sessions, next }] = await Promise.all([
      deps.directory.count(),
      deps.directory.list({ limit, ...(after === undefined ? {} : { after }) }),
    ])
    return { sessions: sessions.map(view), count, ...(next === undefined ? {} : { next }) }
  })

  app.delete<{ Params: { id: string } }>('/admin/sessions/:id', async (request) => {
    const wanted = id.safeParse(request.params.id)
    const known = wanted.success ? await deps.directory.find(wanted.data) : undefined
    if (known === undefined) throw new ProblemError('NOT_FOUND', 'no living session has this id')
    return { ended: await end(request, [known]) }
  })

  app.delete('/admin/sessions', async (request) => {
    const query = endQuery.safeParse(request.query)
    // Never without a filter: a slip must not sign everybody out.
    if (!query.success) throw new ProblemError('BAD_REQUEST', 'say whose: user=SUB or sid=SID')
    return { ended: await end(request, await find(query.data)) }
  })
}
