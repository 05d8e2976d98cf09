import { createHash, timingSafeEqual } from 'node:crypto'
import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { readCookie } from '../session/cookie.ts'
import type { RouteDeps } from './deps.ts'

/** GET /admin/chains — every route's chain, link by link, as the files show it. */
export function adminRoutes(app: FastifyInstance, deps: RouteDeps): void {
  app.get('/admin/chains', async (request, reply) => {
    await requireAdmin(deps, request)
    const config = deps.config()
    reply.header('cache-control', 'no-store')
    return { config_version: config.version, chains: [...config.chains.values()] }
  })
}

/** The role `admin` in the session, or the administrator's token. */
async function requireAdmin(deps: RouteDeps, request: FastifyRequest): Promise<void> {
  const bearer = /^Bearer ([A-Za-z0-9._~+/=-]+)$/i.exec(request.headers.authorization ?? '')?.[1]
  if (bearer !== undefined) {
    // Hashes of one length: the comparison tells nothing about the token.
    const given = createHash('sha256').update(bearer).digest()
    if (deps.adminTokenHash !== undefined && timingSafeEqual(given, deps.adminTokenHash)) return
    throw new ProblemError('TOKEN_INVALID', "the administrator's token is another one", {
      headers: { 'WWW-Authenticate': 'Bearer realm="admin", error="invalid_token"' },
    })
  }
  const { sessionName } = deps.config().cookies
  const found = await deps.sessions.find(readCookie(request.headers.cookie, sessionName))
  if (found.kind !== 'session') {
    throw new ProblemError(
      'SESSION_REQUIRED',
      'sign in as an administrator, or send the token of admin.token',
    )
  }
  if (!found.session.user.roles.includes('admin')) {
    throw new ProblemError('ADMIN_REQUIRED', 'this needs the role "admin"')
  }
}
