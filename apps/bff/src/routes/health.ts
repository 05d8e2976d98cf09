import type { FastifyInstance } from 'fastify'
import type { RouteDeps } from './deps.ts'

/**
 * GET /health — alive; depends on nothing, or an outage elsewhere would restart us in a storm.
 * GET /health/ready — whether the IdP can be reached.
 * GET /.well-known/jwks.json — keys of `X-User-Assertion`.
 */
export function healthRoutes(app: FastifyInstance, deps: RouteDeps): void {
  app.get('/health', async () => ({ status: 'ok' }))
  app.get('/health/ready', async (_request, reply) => {
    const idp = await deps.idp().metadata()
    const ready = idp.kind === 'ok'
    return reply
      .code(ready ? 200 : 503)
      .send({ status: ready ? 'ok' : 'degraded', checks: { idp: idp.kind } })
  })
  app.get('/.well-known/jwks.json', async (_request, reply) => {
    reply.header('cache-control', 'public, max-age=300')
    return deps.assertion.jwks
  })
}
