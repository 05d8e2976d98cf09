import type { ErrorCode } from './code.ts'
import type { EndReason } from './session.ts'

/** Any failed call. `problem` holds the whole RFC 9457 document; empty where none came. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: ErrorCode
  /** HTTP status; 0 where no answer came. */
  readonly status: number
  readonly title: string
  /** What to show or to do, in a sentence; also the `message`. */
  readonly detail: string
  readonly service: string | undefined
  /** What to quote when asking an administrator. */
  readonly correlationId: string | undefined
  /** Why the session ended, where the BFF has told (`client.watch`). */
  readonly reason: EndReason | undefined
  readonly retryAfterSeconds: number | undefined
  readonly problem: Readonly<Record<string, unknown>>

  constructor(
    code: ErrorCode,
    status: number,
    problem: Readonly<Record<string, unknown>>,
    more: { headers?: Headers; cause?: unknown } = {},
  ) {
    const title = text(problem.title) ?? code
    const detail = text(problem.detail) ?? title
    super(detail, { cause: more.cause })
    this.code = code
    this.status = status
    this.title = title
    this.detail = detail
    this.service = text(problem.service)
    this.correlationId =
      text(problem.correlation_id) ?? more.headers?.get('x-correlation-id') ?? undefined
    this.reason = text(problem.reason) as EndReason | undefined
    this.retryAfterSeconds = secondsUntil(more.headers?.get('retry-after'))
    this.problem = problem
  }
}

/** Reads an error answer leniently: a proxy in between may have sent anything. */
export async function readError(response: Response): Promise<ApiError> {
  const { status, headers } = response
  const body: unknown = await response.json().catch(() => undefined)
  const problem = isRecord(body) ? body : { title: `The answer was ${status}` }
  return new ApiError(text(problem.code) ?? 'UNKNOWN', status, problem, { headers })
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** `Retry-After` (RFC 9110 §10.2.3): seconds or a date. */
function secondsUntil(value: string | null | undefined): number | undefined {
  if (!value) return undefined
  const seconds = /^\d+$/.test(value)
    ? Number(value)
    : Math.ceil((Date.parse(value) - Date.now()) / 1000)
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds)
}
