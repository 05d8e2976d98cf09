import { correlationIdFrom } from '@audience-bridge/kit/correlation.ts'
import type { LiveStatus } from '@audience-bridge/kit/live.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import { type FastifyInstance, fastify } from 'fastify'
import type { Access } from './access.ts'
import type { Engine } from './engine/engine.ts'
import { createEventWriter } from './ingest/flush.ts'
import { createBearer } from './routes/bearer.ts'
import { eventsRoute } from './routes/events.ts'
import { installProblems } from './routes/problems.ts'
import { questionRoutes } from './routes/questions.ts'
import { serviceRoutes } from './routes/service.ts'

export interface AnalyticsDeps {
  /** Migrated. Stays the caller's: closed after the server. */
  engine: Engine
  /** The settings in force. */
  access: () => Access
  configStatus: () => LiveStatus
  log: Logger
  /** Milliseconds since the epoch. */
  nowMs?: () => number
}

/**
 * The analytics service; never listens by itself. `close()` refuses new requests, answers those it
 * has and waits until what it took is stored.
 */
export function buildAnalytics(deps: AnalyticsDeps): FastifyInstance {
  const { engine, log } = deps
  const app = fastify({
    genReqId: (request) => correlationIdFrom(request.headers['x-correlation-id']),
    // Slow senders of headers and bodies would hold connections for ever.
    requestTimeout: 30_000,
    forceCloseConnections: 'idle',
  })
  const methods = new Map<string, string[]>()
  let stopping = false

  app.addHook('onRoute', (route) => {
    methods.set(route.url, [...(methods.get(route.url) ?? []), ...[route.method].flat()])
  })
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-correlation-id', request.id)
    reply.header('cache-control', 'no-store')
    reply.header('x-content-type-options', 'nosniff')
  })
  app.addHook('onSend', async (_request, reply) => {
    // A kept connection would hold up the stop until its client lets go.
    if (stopping) reply.header('connection', 'close')
  })
  app.addHook('onResponse', async (request, reply) => {
    // The path without its query: queries carry names.
    const [path] = request.url.split('?')
    log.info(
      {
        method: request.method,
        path,
        status: reply.statusCode,
        elapsed_ms: Math.round(reply.elapsedTime),
        correlation_id: request.id,
      },
      'request',
    )
  })
  installProblems(app, log, (path) => methods.get(path) ?? [])

  const writer = createEventWriter(engine, log)
  const bearer = createBearer(deps.access)
  const nowMs = deps.nowMs ?? Date.now
  serviceRoutes(app, { ...deps, stopping: () => stopping })
  eventsRoute(app, { bearer, writer, nowMs })
  questionRoutes(app, { bearer, engine, nowMs })

  app.addHook('preClose', async () => {
    stopping = true
  })
  app.addHook('onClose', () => writer.drain())
  return app
}
