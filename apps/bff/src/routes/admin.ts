import { timingSafeEqual } from 'node:crypto'
import { renderExplanation } from '@audience-bridge/chain/explanation.ts'
import { formatPlace } from '@audience-bridge/chain/fault.ts'
import { judgeMetadata } from '@audience-bridge/chain/observed-links.ts'
import { methodsOf } from '@audience-bridge/chain/route-table.ts'
import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { type BffConfig, hashToken } from '../config.ts'
import { explainObservation } from '../explain/observe.ts'
import { csrfFault, requestOrigin } from '../session/csrf.ts'
import { principalIn } from '../tokens/claims.ts'
import { keyRoutes } from './admin-keys.ts'
import { adminSessionRoutes } from './admin-sessions.ts'
import type { RouteDeps } from './deps.ts'
import { findOwnSession } from './own-session.ts'

const recentQuery = z.strictObject({
  failed: z.enum(['0', '1']).default('1'),
  limit: z.coerce.number().int().min(1).max(500).default(50),
})

/**
 * The administrators' API: the chain of each route, the live configuration, and the explanation of
 * any recent request; and the metrics, which tell much about a system's users. Open to the role `admin` in a session, and to the token of `admin.token`.
 */
export async function adminRoutes(app: FastifyInstance, deps: RouteDeps): Promise<void> {
  await app.register(async (admin) => {
    // On the routes themselves, never by the look of the URL: `/%61dmin/` leads here too.
    admin.addHook('onRequest', async (request, reply) => {
      reply.header('cache-control', 'no-store')
      await requireAdmin(deps, request)
    })
    addRoutes(admin, deps)
    keyRoutes(admin, deps)
  })
}

function addRoutes(app: FastifyInstance, deps: RouteDeps): void {
  adminSessionRoutes(app, deps)

  app.get('/metrics', async (_request, reply) => {
    reply.type(deps.metrics.contentType)
    return deps.metrics.text()
  })

  app.get('/admin/chains', async () => {
    const config = deps.config()
    return { config_version: config.version, chains: [...config.chains.values()] }
  })

  app.get('/admin/routes', async () => ({ routes: listRoutes(deps.config()) }))

  app.get('/admin/config', async () => {
    const config = deps.config()
    const broken = [...config.chains.values()].flatMap(({ route, service, broken }) =>
      broken === undefined
        ? []
        : [{ route, service, ...broken, place: broken.at && formatPlace(broken.at) }],
    )
    return { ...deps.live.status(), broken_links: broken, warnings: config.warnings }
  })

  app.post('/admin/reload', async () => deps.live.reload())

  app.get('/admin/explain/:id', async (request) => {
    const { id } = z.object({ id: z.string().max(128) }).parse(request.params)
    const found = await deps.traces.find(id)
    if (found.length === 0) {
      throw new ProblemError(
        'NOT_FOUND',
        `no request with the correlation id "${id}" is kept; successes are kept by bytes, failures of users for a day`,
      )
    }
    const explanations = found.map((seen) => explainObservation({ config: deps.config() }, seen))
    const [newest] = explanations
    return {
      ...newest,
      text: newest && renderExplanation(newest),
      config_changed: newest?.request.config_version !== deps.config().version,
      earlier: explanations.slice(1).map(({ request: seen }) => seen),
    }
  })

  app.get('/admin/requests', async (request) => {
    const query = recentQuery.safeParse(request.query)
    if (!query.success) throw new ProblemError('BAD_REQUEST', 'failed=0|1 and limit=1..500 at most')
    const { failed, limit } = query.data
    return { requests: await deps.traces.recent({ failed: failed === '1', limit }) }
  })

  app.get('/admin/failures', async () => ({ failures: await deps.traces.failureCounts(200) }))

  app.get('/admin/backends', async () => {
    const config = deps.config()
    const backends = [...config.bases].map(async ([service, base]) => {
      const audience = config.requirements.get(service)?.audience
      const metadata = await deps.readMetadata(service, base)
      const link =
        audience === undefined
          ? undefined
          : judgeMetadata(config.bridge, service, audience, metadata)
      const upstreams = deps.upstreamsOf(service)
      return { service, base_url: base.href, upstreams, audience, ...metadata, link }
    })
    return { issuer: config.bridge.settings.auth.issuer, backends: await Promise.all(backends) }
  })
}

/** The routes as they are served, with a path to try each by where it can be tried safely. */
function listRoutes({ bridge }: BffConfig) {
  return bridge.compiled.map((route) => {
    const { id, path, target_service: service, auth } = route.route
    const methods = methodsOf(route)
    const declared = bridge.routes.services[service]?.probe ?? []
    const bare = path.includes('{') ? undefined : path.replace(/\*$/, '')
    const probe = [...declared, ...(bare === undefined ? [] : [bare])].find((candidate) => {
      const match = bridge.table.match(candidate.split('?', 1)[0] ?? '', 'GET')
      return match.kind === 'route' && match.route === route
    })
    return { id, path, service, auth, methods, ...(probe === undefined ? {} : { probe }) }
  })
}

/** The role `admin` in the session (with the CSRF proof to change things), or the token. */
async function requireAdmin(deps: RouteDeps, request: FastifyRequest): Promise<void> {
  const config = deps.config()
  const bearer = /^Bearer ([A-Za-z0-9._~+/=-]{1,512})$/i.exec(
    request.headers.authorization ?? '',
  )?.[1]
  if (bearer !== undefined) {
    // Hashes of one length: the comparison tells nothing about the token.
    const expected = config.secrets.adminTokenHash
    if (expected !== undefined && timingSafeEqual(hashToken(bearer), expected)) return
    throw new ProblemError('TOKEN_INVALID', "the administrator's token is another one", {
      headers: { 'WWW-Authenticate': 'Bearer realm="admin", error="invalid_token"' },
    })
  }
  const { trustedOrigins } = deps.frontendOf(request.raw)
  const found = await findOwnSession(deps, request, config)
  if (found.kind !== 'session') {
    throw new ProblemError(
      'SESSION_REQUIRED',
      'sign in as an administrator, or send the token of admin.token',
    )
  }
  if (!found.session.user.roles.includes('admin')) {
    throw new ProblemError('ADMIN_REQUIRED', 'this needs the role "admin"')
  }
  const fault = csrfFault(
    requestOrigin(request.method, request.headers),
    found.session.ticket.csrf,
    trustedOrigins,
  )
  if (fault !== undefined) throw new ProblemError('CSRF_REJECTED', fault)
  const exchange = deps.exchangeOf(request.raw)
  if (exchange !== undefined) {
    exchange.subject = principalIn(config.idps, found.session)
  }
}
