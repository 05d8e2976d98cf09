import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { LiveStatus } from '@audience-bridge/kit/live.ts'
import { protectedResourceMetadata } from '@audience-bridge/resource-server/metadata.ts'
import type { FastifyInstance } from 'fastify'
import type { Access } from '../access.ts'
import type { Engine } from '../engine/engine.ts'
import { openapiDocument } from './openapi.ts'

/** What the service says of itself; open to all, it is the same for everybody. */
export function serviceRoutes(
  app: FastifyInstance,
  deps: {
    engine: Engine
    access: () => Access
    configStatus: () => LiveStatus
    stopping: () => boolean
  },
): void {
  const scopes = ['api.read', 'api.write', 'application.all']
  const openapi = openapiDocument()

  app.get('/.well-known/oauth-protected-resource', async () => {
    const metadata = protectedResourceMetadata({ ...deps.access(), scopes })
    if (metadata === undefined) throw new ProblemError('NOT_FOUND', 'the audience is no URL')
    return metadata
  })
  app.get('/openapi.json', async () => openapi)
  // Liveness asks nobody: a dead store must not make the orchestrator restart a healthy process.
  app.get('/health', async () => ({ status: 'ok' }))
  app.get('/health/config', async () => deps.configStatus())
  app.get('/health/ready', async (_request, reply) => {
    if (deps.stopping()) return reply.code(503).send({ status: 'stopping' })
    try {
      await deps.engine.query('SELECT 1')
      return { status: 'ok' }
    } catch {
      return reply.code(503).send({ status: 'store unavailable' })
    }
  })
}
