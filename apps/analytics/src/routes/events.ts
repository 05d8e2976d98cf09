import type { IngestResponse } from '@audience-bridge/contracts/event.ts'
import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { FastifyInstance } from 'fastify'
import { readBatch } from '../ingest/batch.ts'
import type { EventWriter } from '../ingest/flush.ts'
import { type Bearer, WRITE_SCOPES } from './bearer.ts'

export const MAX_BODY_BYTES = 5_000_000
export const MAX_EVENTS = 5000

const SINGLE = 'application/cloudevents+json'
const BATCH = 'application/cloudevents-batch+json'
const JSON_TYPE = 'application/json'

/**
 * `POST /api/v1/analytics/events` — stores events once each, however often they are sent; answers
 * only when they are on disk. Who may write is judged before the body is read.
 */
export function eventsRoute(
  app: FastifyInstance,
  deps: { bearer: Bearer; writer: EventWriter; nowMs: () => number },
): void {
  app.removeAllContentTypeParsers()
  for (const type of [SINGLE, BATCH, JSON_TYPE]) {
    app.addContentTypeParser(
      type,
      { parseAs: 'string', bodyLimit: MAX_BODY_BYTES },
      async (_request: unknown, body: string) => {
        const value = parseJson(body)
        if (type === SINGLE && Array.isArray(value)) {
          throw new ProblemError('BAD_REQUEST', `body: one event; for an array use ${BATCH}`)
        }
        if (type === BATCH && !Array.isArray(value)) {
          throw new ProblemError('BAD_REQUEST', `body: an array; for one event use ${SINGLE}`)
        }
        return Array.isArray(value) ? value : [value]
      },
    )
  }
  app.post('/api/v1/analytics/events', {
    bodyLimit: MAX_BODY_BYTES,
    onRequest: async (request, reply) => {
      await deps.bearer.authorize(request, reply, WRITE_SCOPES)
    },
    handler: async (request): Promise<IngestResponse> => {
      const items = request.body
      if (!Array.isArray(items)) throw new ProblemError('BAD_REQUEST', 'body: events are missing')
      if (items.length > MAX_EVENTS) {
        throw new ProblemError(
          'BODY_TOO_LARGE',
          `${items.length} events; at most ${MAX_EVENTS} in one batch`,
        )
      }
      const { rows, rejected } = await readBatch(items, deps.nowMs())
      const { accepted, duplicates } = await deps.writer.write(rows)
      return { accepted, duplicates, rejected }
    },
  })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    // The parser's own message quotes the body.
    const place = cause instanceof SyntaxError ? /position \d+/.exec(cause.message)?.[0] : undefined
    const where = place === undefined ? '' : ` (${place})`
    throw new ProblemError('BAD_REQUEST', `body: not valid JSON${where}`)
  }
}
