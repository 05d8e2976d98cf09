import type { FastifyInstance } from 'fastify'
import { PUBLISHED_SECONDS } from '../tokens/key-schedule.ts'
import type { RouteDeps } from './deps.ts'

/** The store may take this long to answer a probe, in milliseconds. */
const STORE_MS = 2000

/**
 * GET /health — alive; depends on nothing, or an outage elsewhere would restart us in a storm.
 * GET /health/ready — what is missing: the IdP, the session store. A configuration on disk that was
 * refused is told, too; the one in force is good.
 * GET /.well-known/jwks.json — keys of `private_key_jwt` and of `X-User-Assertion`.
 */
export function healthRoutes(app: FastifyInstance, deps: RouteDeps): void {
  app.get('/health', async () => ({ status: 'ok' }))
  app.get('/health/ready', async (_request, reply) => {
    const [idp, store] = await Promise.all([
      deps.connections.of(deps.config().idp.issuer).idp.link.probe(),
      storeAnswers(deps),
    ])
    const ready = idp.kind === 'ok' && store
    return reply.code(ready ? 200 : 503).send({
      status: ready ? 'ok' : 'degraded',
      checks: {
        idp: idp.kind === 'ok' ? 'ok' : 'unavailable',
        store: store ? 'ok' : 'unavailable',
        config: deps.live.status().refused ? 'refused' : 'ok',
      },
    })
  })
  app.get('/.well-known/jwks.json', async (_request, reply) => {
    reply.header('cache-control', `public, max-age=${PUBLISHED_SECONDS}`)
    return deps.keys.jwks()
  })
}

async function storeAnswers({ store }: RouteDeps): Promise<boolean> {
  const late = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => late.resolve(false), STORE_MS)
  const answer = store.ping().then(
    () => true,
    () => false,
  )
  return Promise.race([answer, late.promise]).finally(() => clearTimeout(timer))
}
