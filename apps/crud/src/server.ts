import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import { correlationIdFrom } from '@audience-bridge/kit/correlation.ts'
import type { LiveStatus } from '@audience-bridge/kit/live.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import type { Outbox } from '@audience-bridge/outbox/outbox.ts'
import { protectedResourceMetadata } from '@audience-bridge/resource-server/metadata.ts'
import { requiredScope } from '@audience-bridge/resource-server/scopes.ts'
import type { TokenVerifier } from '@audience-bridge/resource-server/verifier.ts'
import { type FastifyInstance, fastify } from 'fastify'
import { openDatabase } from './database.ts'
import { SUPPORTED_SCOPES } from './endpoint.ts'
import { sendProblem } from './problems.ts'
import { projectStore } from './project-store.ts'
import { createReporter } from './reporter.ts'
import { projectRoutes } from './routes/projects.ts'
import { whoamiRoute } from './routes/whoami.ts'
import { workflowRoutes } from './routes/workflows.ts'
import { runStore } from './run-store.ts'
import type { TokenCheck } from './token-check.ts'
import { createRunner } from './workflow-runner.ts'

export interface CrudDeps {
  /** The settings in force. */
  tokenCheck: () => TokenCheck
  configStatus: () => LiveStatus
  /** The database file. */
  path: string
  outbox: Pick<Outbox, 'emit'>
  log: Logger
}

/** 10 MB, the documented limit of the system (facts 2.8). */
const BODY_BYTES = 10_485_760

/** The service, not listening. Closing it ends the runs under way and then the database. */
export function buildCrud(deps: CrudDeps): FastifyInstance {
  const { tokenCheck, path, outbox, log } = deps
  const db = openDatabase(path)
  const projects = projectStore(db)
  const runs = runStore(db)
  const reporter = createReporter(outbox)
  const runner = createRunner({ projects, runs, reporter, log })
  const verifier: TokenVerifier = { verify: (header) => tokenCheck().verifier.verify(header) }

  const app = fastify({
    bodyLimit: BODY_BYTES,
    frameworkErrors(error, request, reply) {
      request.correlationId = correlationIdFrom(request.headers['x-correlation-id'])
      sendProblem(error, request, reply, log)
    },
  })
  app.removeContentTypeParser('text/plain')
  app.decorateRequest('correlationId', '')
  app.decorateRequest('token', undefined)
  app.addHook('onRequest', async (request, reply) => {
    request.correlationId = correlationIdFrom(request.headers['x-correlation-id'])
    reply.header('x-correlation-id', request.correlationId)
  })
  // What a token opened is nobody else's to keep.
  app.addHook('onSend', async (_request, reply) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
  })
  app.setErrorHandler((error: Error, request, reply) => sendProblem(error, request, reply, log))
  app.setNotFoundHandler((_request, reply) => {
    reply.headers(requiredScope(undefined))
    throw new ProblemError('NOT_FOUND', 'there is nothing at this path')
  })
  app.addHook('onClose', async () => {
    await runner.drained()
    db.close()
  })

  app.get('/health', () => ({ status: 'ok' }))
  app.get('/health/config', () => deps.configStatus())
  app.get('/.well-known/oauth-protected-resource', () => {
    const metadata = protectedResourceMetadata({ ...tokenCheck(), scopes: SUPPORTED_SCOPES })
    if (metadata === undefined) throw new ProblemError('NOT_FOUND', 'the audience is no URL')
    return metadata
  })
  projectRoutes(app, { verifier, projects, reporter })
  workflowRoutes(app, { verifier, projects, runs, runner, reporter })
  whoamiRoute(app, { verifier })
  return app
}
