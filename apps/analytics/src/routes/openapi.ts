import {
  anomalousAccessPatternsQuery,
  anomalousAccessPatternsResponse,
  authorizationMetricsQuery,
  authorizationMetricsResponse,
  scopeUsageQuery,
  scopeUsageResponse,
  workflowsQuery,
  workflowsResponse,
} from '@audience-bridge/contracts/analytics.ts'
import { bridgeEvent, ingestResponse } from '@audience-bridge/contracts/event.ts'
import { PROBLEMS, type ProblemCode } from '@audience-bridge/contracts/problem.ts'
import { z } from 'zod'

/** A JSON Schema as OpenAPI 3.1 embeds it. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, target: 'draft-2020-12' })
  return rest
}

function problems(...codes: ProblemCode[]): Record<string, unknown> {
  const byStatus = Map.groupBy(codes, (code) => PROBLEMS[code].status)
  return Object.fromEntries(
    [...byStatus].map(([status, alike]) => [
      String(status),
      {
        description: alike.map((code) => `\`${code}\`: ${PROBLEMS[code].title}`).join('; '),
        content: {
          'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
        },
      },
    ]),
  )
}

const REFUSALS = ['TOKEN_REQUIRED', 'TOKEN_INVALID', 'INSUFFICIENT_SCOPE'] as const
const OUTAGES = ['IDP_UNAVAILABLE', 'STORE_UNAVAILABLE', 'OVERLOADED'] as const

function question(summary: string, query: z.ZodObject, response: z.ZodType) {
  const { properties = {} } = schemaOf(query, 'input') as { properties?: Record<string, unknown> }
  return {
    get: {
      summary,
      description:
        'Who lacks all reader roles gets an answer made of the own rows alone (`view: own`), also when asking for another subject: then it is empty.',
      security: [{ bearer: ['api.read'] }, { bearer: ['application.all'] }],
      parameters: Object.entries(properties).map(([name, schema]) => ({
        name,
        in: 'query',
        required: false,
        schema,
      })),
      responses: {
        '200': {
          description: 'Computed by SQL over what was ingested.',
          content: { 'application/json': { schema: schemaOf(response, 'output') } },
        },
        ...problems('BAD_REQUEST', ...REFUSALS, ...OUTAGES),
      },
    },
  }
}

/** The OpenAPI 3.1 document, made of the very schemas that validate. */
export function openapiDocument(): Record<string, unknown> {
  const event = { $ref: '#/components/schemas/Event' }
  const events = { type: 'array', maxItems: 5000, items: event }
  return {
    openapi: '3.1.0',
    info: { title: 'Analytics service', version: '1' },
    paths: {
      '/api/v1/analytics/workflows': question(
        'How workflows ran, and which of their steps fail',
        workflowsQuery,
        workflowsResponse,
      ),
      '/api/v1/analytics/authorization-metrics': question(
        'Which authorization decisions were made on what',
        authorizationMetricsQuery,
        authorizationMetricsResponse,
      ),
      '/api/v1/analytics/anomalous-access-patterns': question(
        'Whose accesses were unusual, and why',
        anomalousAccessPatternsQuery,
        anomalousAccessPatternsResponse,
      ),
      '/api/v1/analytics/scope-usage': question(
        'Which scopes calls needed, and which their tokens carried',
        scopeUsageQuery,
        scopeUsageResponse,
      ),
      '/api/v1/analytics/events': {
        post: {
          summary: 'Store events (CloudEvents 1.0)',
          description:
            'At least once from the sender, once in effect: an event is known by (`source`, `id`). A bad event is reported by index and the good ones are kept. 200 only when they are on disk.',
          security: [{ bearer: ['api.write'] }],
          requestBody: {
            required: true,
            content: {
              'application/cloudevents+json': { schema: event },
              'application/cloudevents-batch+json': { schema: events },
              'application/json': { schema: { anyOf: [event, events] } },
            },
          },
          responses: {
            '200': {
              description: 'What was stored, known already, or rejected.',
              content: { 'application/json': { schema: schemaOf(ingestResponse, 'output') } },
            },
            ...problems(
              'BAD_REQUEST',
              ...REFUSALS,
              'BODY_TOO_LARGE',
              'UNSUPPORTED_MEDIA_TYPE',
              ...OUTAGES,
            ),
          },
        },
      },
    },
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'RFC 9068 access token whose `aud` is exactly this service.',
        },
      },
      schemas: {
        Event: schemaOf(bridgeEvent, 'input'),
        Problem: {
          type: 'object',
          description: 'RFC 9457',
          required: ['type', 'title', 'status', 'code', 'detail', 'correlation_id'],
          properties: {
            type: { type: 'string' },
            title: { type: 'string' },
            status: { type: 'integer' },
            code: { enum: Object.keys(PROBLEMS) },
            detail: { type: 'string' },
            correlation_id: { type: 'string' },
          },
        },
      },
    },
  }
}
