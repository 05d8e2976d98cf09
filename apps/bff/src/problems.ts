import type { BrokenLink } from '@audience-bridge/chain/link.ts'
import {
  type ProblemCode,
  type ProblemError,
  problemHead,
} from '@audience-bridge/contracts/problem.ts'
import { type Problem, renderProblem } from '@audience-bridge/kit/problem.ts'

/** Further members and headers of a problem. */
export interface ProblemMore {
  service?: string | undefined
  /** For administrators only. */
  brokenLink?: BrokenLink | undefined
  explanation?: string
  extensions?: Readonly<Record<string, unknown>>
  headers?: Readonly<Record<string, string>>
}

/** A problem as status, headers and body, for any of our ways to answer. */
export function answerProblem(
  code: ProblemCode,
  detail: string,
  correlationId: string,
  more: ProblemMore = {},
): { status: number; headers: Record<string, string>; body: string } {
  const problem: Problem = {
    ...problemHead(code),
    detail,
    correlation_id: correlationId,
    ...(more.service === undefined ? {} : { service: more.service }),
    ...more.extensions,
    ...(more.brokenLink === undefined ? {} : { broken_link: more.brokenLink }),
    ...(more.explanation === undefined ? {} : { explanation: more.explanation }),
  }
  const { body, headers } = renderProblem(problem)
  return {
    status: problem.status,
    headers: { ...headers, 'X-Correlation-ID': correlationId, ...more.headers },
    body,
  }
}

export const moreOf = (error: ProblemError): ProblemMore => ({
  extensions: error.extensions,
  headers: error.headers,
})

/** When somebody who is away is worth asking again, where that is known. */
export const retryAfter = ({ retryAfterSeconds = 5 }: { retryAfterSeconds?: number } = {}) => ({
  'Retry-After': String(retryAfterSeconds),
})
