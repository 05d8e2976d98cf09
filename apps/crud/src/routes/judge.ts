import { type ProblemCode, ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { FastifyRequest } from 'fastify'
import type { Decision } from '../access.ts'
import type { Caller } from '../caller.ts'
import type { DecisionReport, Reporter } from '../reporter.ts'

/** The code of a refusal by object; the detail says who may. */
const DENIED: ProblemCode = 'ACCESS_DENIED'

interface Question {
  caller: Caller
  resource: DecisionReport['resource']
  resourceId?: string
  action: string
  decide(): Decision
  /** Answer 404: a 403 would tell who may not read it that it exists. */
  hide?: boolean
}

/** Decides, reports the decision whatever it is, and throws when it is a denial. */
export function judge(reporter: Reporter, request: FastifyRequest, question: Question): void {
  const { caller, resource, resourceId, action, hide } = question
  const start = performance.now()
  const { decision, reason } = question.decide()
  reporter.decision({
    caller,
    resource,
    resourceId,
    action,
    decision,
    reason,
    latencyMs: performance.now() - start,
    request: {
      method: request.method,
      path: pathOf(request.url),
      correlationId: request.correlationId,
    },
  })
  if (decision === 'Allow') return
  if (hide) throw notFound(resource)
  throw new ProblemError(DENIED, `${action} on this ${resource} is denied: ${reason}`)
}

export function notFound(resource: string): ProblemError {
  return new ProblemError('NOT_FOUND', `there is no such ${resource}`)
}

/** Without the query: queries carry secrets. */
function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? url
}
