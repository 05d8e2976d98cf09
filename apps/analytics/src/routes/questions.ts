import {
  anomalousAccessPatternsQuery,
  authorizationMetricsQuery,
  scopeUsageQuery,
  workflowsQuery,
} from '@audience-bridge/contracts/analytics.ts'
import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'
import { createAnomalousAccessPatterns } from '../anomalies/endpoint.ts'
import type { Engine } from '../engine/engine.ts'
import { readAuthorizationMetrics } from '../queries/authorization-metrics.ts'
import { type Viewer, viewerOf } from '../queries/filter.ts'
import { readScopeUsage } from '../queries/scope-usage.ts'
import { readWorkflows } from '../queries/workflows.ts'
import { type Bearer, READ_SCOPES } from './bearer.ts'

export interface QuestionDeps {
  bearer: Bearer
  engine: Engine
  nowMs: () => number
}

/** The GET endpoints: the same way in for all, one question each behind it. */
export function questionRoutes(app: FastifyInstance, deps: QuestionDeps): void {
  const { engine } = deps
  const ask = <Schema extends z.ZodObject>(
    path: string,
    schema: Schema,
    answer: (query: z.output<Schema>, viewer: Viewer, nowMs: number) => Promise<object>,
  ) => {
    app.get(`/api/v1/analytics/${path}`, async (request, reply) => {
      const { token, readerRoles } = await deps.bearer.authorize(request, reply, READ_SCOPES)
      const query = readQuery(schema, request.query)
      return answer(query, viewerOf(token, readerRoles), deps.nowMs())
    })
  }
  ask('workflows', workflowsQuery, (...about) => readWorkflows(engine, ...about))
  ask('authorization-metrics', authorizationMetricsQuery, (...about) =>
    readAuthorizationMetrics(engine, ...about),
  )
  ask(
    'anomalous-access-patterns',
    anomalousAccessPatternsQuery,
    createAnomalousAccessPatterns(engine),
  )
  ask('scope-usage', scopeUsageQuery, (...about) => readScopeUsage(engine, ...about))
}

function readQuery<Schema extends z.ZodObject>(schema: Schema, raw: unknown): z.output<Schema> {
  const parsed = schema.safeParse({ ...(raw as object) })
  if (parsed.success) return parsed.data
  const detail = parsed.error.issues
    .map((issue) =>
      issue.code === 'unrecognized_keys'
        ? `unknown parameter ${issue.keys.join(', ')}; known are ${Object.keys(schema.shape).join(', ')}`
        : `${issue.path.join('.')}: ${issue.message}`,
    )
    .join('; ')
  throw new ProblemError('BAD_REQUEST', detail.slice(0, 1000))
}
