import type { ProblemCode } from '@audience-bridge/contracts/problem.ts'

/** Where the chain breaks and what to change; the BFF sends it to administrators only. */
export type BrokenLink = {
  found: string
  expected: string
  /** `file:line:column`, as an editor takes it. */
  at: string | undefined
  mend: string | undefined
}

/** Codes of our own, for failures that no server reported. */
type LocalCode = 'NETWORK' | 'ANSWER_INVALID' | 'UNKNOWN'

type ProblemMembers = {
  code: ProblemCode | LocalCode | (string & {})
  title: string
  detail: string
  status?: number | undefined
  service?: string | undefined
  correlationId?: string | undefined
  brokenLink?: BrokenLink | undefined
}

/** A failure as the page shows it; from an RFC 9457 document or from the lack of any answer. */
export class ApiProblem extends Error {
  readonly code: string
  readonly title: string
  readonly status: number | undefined
  readonly service: string | undefined
  readonly correlationId: string | undefined
  readonly brokenLink: BrokenLink | undefined

  constructor(members: ProblemMembers, cause?: unknown) {
    super(members.detail, { cause })
    this.name = 'ApiProblem'
    this.code = members.code
    this.title = members.title
    this.status = members.status
    this.service = members.service
    this.correlationId = members.correlationId
    this.brokenLink = members.brokenLink
  }
}

const SESSION_LOSS: ReadonlySet<string> = new Set<ProblemCode>([
  'SESSION_REQUIRED',
  'SESSION_EXPIRED',
])

/**
 * Only these two codes mean that signing in would help. Every other 401 is about a service's
 * token: treating it as session loss is how a page and a login chase each other for ever.
 */
export function isSessionLoss(error: unknown): boolean {
  return error instanceof ApiProblem && SESSION_LOSS.has(error.code)
}

export function toProblem(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error
  return new ApiProblem(
    {
      code: 'UNKNOWN',
      title: 'Something went wrong on this page',
      detail: error instanceof Error ? error.message : 'The cause is not known.',
    },
    error,
  )
}

/** Reads a problem document leniently: a proxy in between may have answered with anything. */
export function readProblem(
  status: number,
  body: unknown,
  headerCorrelationId: string | undefined,
): ApiProblem {
  const doc = isRecord(body) ? body : {}
  return new ApiProblem({
    status,
    code: text(doc.code) ?? 'UNKNOWN',
    title: text(doc.title) ?? `The answer was ${status}`,
    detail: text(doc.detail) ?? '',
    service: text(doc.service),
    correlationId: text(doc.correlation_id) ?? headerCorrelationId,
    brokenLink: readBrokenLink(doc.broken_link),
  })
}

function readBrokenLink(value: unknown): BrokenLink | undefined {
  if (!isRecord(value)) return undefined
  return {
    found: describe(value.found),
    expected: describe(value.expected),
    at: readPlace(value.at),
    mend: text(value.mend),
  }
}

function readPlace(value: unknown): string | undefined {
  if (!isRecord(value)) return undefined
  const file = text(value.file)
  if (file === undefined) return undefined
  const numbers = [value.line, value.column].filter((n) => typeof n === 'number')
  return [file, ...numbers].join(':')
}

function describe(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.length === 0 ? 'nothing' : value.map(describe).join(', ')
  return JSON.stringify(value)
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
