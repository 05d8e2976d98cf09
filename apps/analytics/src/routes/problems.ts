import { ProblemError, problemHead } from '@audience-bridge/contracts/problem.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import { renderProblem } from '@audience-bridge/kit/problem.ts'
import { requiredScope } from '@audience-bridge/resource-server/scopes.ts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { EngineError } from '../engine/engine.ts'

/** Makes every failure of `app` a problem document; what is unknown becomes an opaque 500. */
export function installProblems(
  app: FastifyInstance,
  log: Logger,
  methodsOf: (path: string) => string[],
): void {
  app.setErrorHandler((cause, request, reply) => {
    const problem = problemOf(cause)
    if (problem.code === 'INTERNAL' || problem.cause !== undefined) {
      const level = problem.code === 'INTERNAL' ? 'error' : 'warn'
      log[level](
        { err: problem.cause ?? cause, correlation_id: request.id, code: problem.code },
        'request failed',
      )
    }
    return sendProblem(request, reply, problem)
  })
  app.setNotFoundHandler((request, reply) => {
    // The same answer for everybody, whatever the token carries.
    reply.headers(requiredScope(undefined))
    const [path = ''] = request.url.split('?')
    const methods = methodsOf(path)
    if (methods.length === 0) {
      return sendProblem(request, reply, new ProblemError('NOT_FOUND', 'no such resource'))
    }
    const allow = methods.join(', ')
    const text = `${request.method} is not allowed here; allowed: ${allow}`
    const problem = new ProblemError('METHOD_NOT_ALLOWED', text, { headers: { allow } })
    return sendProblem(request, reply, problem)
  })
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: ProblemError) {
  const head = problemHead(problem.code)
  const { body, headers } = renderProblem({
    ...head,
    ...problem.extensions,
    detail: problem.message,
    correlation_id: request.id,
  })
  // As bytes: to a string fastify would add a charset, which the media type does not have.
  return reply
    .code(head.status)
    .headers({ ...headers, ...problem.headers })
    .send(Buffer.from(body))
}

function problemOf(cause: unknown): ProblemError {
  if (cause instanceof ProblemError) return cause
  if (cause instanceof EngineError) return engineProblem(cause)
  const { statusCode, code } = cause as { statusCode?: number; code?: string }
  if (statusCode === 413) {
    return new ProblemError('BODY_TOO_LARGE', 'the body is larger than 5 MB; send smaller batches')
  }
  if (statusCode === 415 || code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new ProblemError(
      'UNSUPPORTED_MEDIA_TYPE',
      'use application/cloudevents+json, application/cloudevents-batch+json or application/json',
    )
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new ProblemError('BAD_REQUEST', 'the request cannot be read', { cause })
  }
  return new ProblemError('INTERNAL', 'something went wrong here; the log knows more', { cause })
}

function engineProblem(cause: EngineError): ProblemError {
  const headers = { 'retry-after': '1' }
  if (cause.kind === 'busy') return new ProblemError('OVERLOADED', cause.message, { headers })
  if (cause.kind === 'slow') {
    const text = 'the query took too long; take a shorter window'
    return new ProblemError('OVERLOADED', text, { headers, cause })
  }
  return new ProblemError('STORE_UNAVAILABLE', 'the event store failed; try again', {
    headers,
    cause,
  })
}
