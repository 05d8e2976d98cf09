import { type ProblemCode, ProblemError, problemHead } from '@audience-bridge/contracts/problem.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import { renderProblem } from '@audience-bridge/kit/problem.ts'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'

/** What Fastify itself refuses, in our words; everything else that is not ours is opaque. */
const FRAMEWORK: Readonly<Record<string, { code: ProblemCode; detail: string }>> = {
  FST_ERR_BAD_URL: { code: 'BAD_REQUEST', detail: 'the path is not validly encoded' },
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'BODY_TOO_LARGE', detail: 'the body exceeds 10 MB' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: 'UNSUPPORTED_MEDIA_TYPE',
    detail: 'send the body as application/json',
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: { code: 'BAD_REQUEST', detail: 'the body is empty' },
  FST_ERR_CTP_INVALID_JSON_BODY: { code: 'BAD_REQUEST', detail: 'the body is not valid JSON' },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: 'BAD_REQUEST',
    detail: 'the body is not as long as Content-Length says',
  },
}

export function sendProblem(
  error: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
  log: Logger,
): void {
  const known = toProblem(error)
  if (known === undefined) {
    log.error({ err: error, correlation_id: request.correlationId }, 'request failed')
  }
  const problem = known ?? new ProblemError('INTERNAL', 'something went wrong here')
  const head = problemHead(problem.code)
  const { body, headers } = renderProblem({
    ...head,
    detail: problem.message,
    ...problem.extensions,
    correlation_id: request.correlationId,
  })
  reply
    .code(head.status)
    .headers({ ...problem.headers, ...headers })
    // As bytes: Fastify adds a charset to text, and the media type has no such parameter.
    .send(Buffer.from(body))
}

function toProblem(error: FastifyError | Error): ProblemError | undefined {
  if (error instanceof ProblemError) return error
  const known = 'code' in error ? FRAMEWORK[error.code] : undefined
  return known && new ProblemError(known.code, known.detail, { cause: error })
}

/** @throws ProblemError `BAD_REQUEST` that names every fault and where it is. */
export function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const errors = result.error.issues.map(({ path, message }) => ({
    at: path.join('.'),
    message,
  }))
  const [first] = errors
  const where = first?.at ? `${first.at}: ` : ''
  throw new ProblemError('BAD_REQUEST', `${where}${first?.message ?? 'not valid'}`, {
    extensions: { errors },
  })
}
