/**
 * Every problem `code` of the system with its status and title: the one place where a code meets a
 * status. A code is API: never renamed, never reused. `docs/errors/<code>.md` explains each.
 */
export const PROBLEMS = {
  BAD_REQUEST: { status: 400, title: 'The request is not valid' },
  PATH_AMBIGUOUS: { status: 400, title: 'The path can be read in two ways' },
  LOGIN_STATE_INVALID: { status: 400, title: 'This sign-in cannot be completed' },
  RETURN_TO_REFUSED: { status: 400, title: 'The return address is not allowed' },
  SESSION_REQUIRED: { status: 401, title: 'Sign in to continue' },
  SESSION_EXPIRED: { status: 401, title: 'The session has ended' },
  NO_TOKEN_AVAILABLE: { status: 401, title: 'No token is available for this service' },
  AUDIENCE_MISMATCH: { status: 401, title: 'The token is for another audience' },
  TOKEN_REJECTED: { status: 401, title: 'The service rejected the token' },
  TOKEN_REQUIRED: { status: 401, title: 'An access token is required' },
  TOKEN_INVALID: { status: 401, title: 'The access token is not valid' },
  CSRF_REJECTED: { status: 403, title: 'The request did not prove its origin' },
  ORIGIN_FORBIDDEN: { status: 403, title: 'Forbidden origin' },
  WEBSOCKET_NOT_ALLOWED: { status: 403, title: 'No WebSocket is taken here' },
  INSUFFICIENT_SCOPE: { status: 403, title: 'The token lacks a scope' },
  ACCESS_DENIED: { status: 403, title: 'You may not do this' },
  REAUTHORIZATION_REQUIRED: { status: 401, title: 'The sign-in must be widened' },
  ADMIN_REQUIRED: { status: 403, title: 'Administrators only' },
  HOST_UNKNOWN: { status: 421, title: 'No frontend has this host' },
  ROUTE_NOT_FOUND: { status: 404, title: 'No route matches' },
  NOT_FOUND: { status: 404, title: 'Not found' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'The method is not allowed here' },
  CONFLICT: { status: 409, title: 'The change conflicts with the current state' },
  BODY_TOO_LARGE: { status: 413, title: 'The body is too large' },
  HEAD_TOO_LARGE: { status: 431, title: 'The head of the request is too large' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'The media type is not supported' },
  EXPECTATION_FAILED: { status: 417, title: 'The expectation is not understood' },
  RATE_LIMITED: { status: 429, title: 'Too many requests' },
  UPSTREAM_UNREACHABLE: { status: 502, title: 'The service cannot be reached' },
  UPSTREAM_INVALID: { status: 502, title: 'The service sent an invalid response' },
  LOGIN_FAILED: { status: 502, title: 'The identity provider refused the sign-in' },
  IDP_UNAVAILABLE: { status: 503, title: 'The identity provider cannot be reached' },
  STORE_UNAVAILABLE: { status: 503, title: 'The store cannot be reached' },
  OVERLOADED: { status: 503, title: 'Too much work is queued' },
  UPSTREAM_SUSPENDED: { status: 503, title: 'The service is left alone for a moment' },
  UPSTREAM_TIMEOUT: { status: 504, title: 'The service did not answer in time' },
  INTERNAL: { status: 500, title: 'Something went wrong here' },
} as const satisfies Record<string, { status: number; title: string }>

export type ProblemCode = keyof typeof PROBLEMS

/** A problem document's members that follow from the code alone (RFC 9457 §3.1). */
export function problemHead(code: ProblemCode): {
  type: string
  title: string
  status: number
  code: ProblemCode
} {
  const { status, title } = PROBLEMS[code]
  return { type: `urn:audience-bridge:problem:${code}`, title, status, code }
}

/**
 * A failure that a caller is told about. `message` becomes the problem's `detail` and names the
 * thing, the place and the mend; `cause` goes to the log only.
 */
export class ProblemError extends Error {
  readonly code: ProblemCode
  /** Further members of the problem document; public. */
  readonly extensions: Readonly<Record<string, unknown>>
  /** Further headers of the response, for example `www-authenticate`. */
  readonly headers: Readonly<Record<string, string>>

  constructor(
    code: ProblemCode,
    message: string,
    more: {
      extensions?: Record<string, unknown>
      headers?: Record<string, string>
      cause?: unknown
    } = {},
  ) {
    super(message, { cause: more.cause })
    this.name = 'ProblemError'
    this.code = code
    this.extensions = more.extensions ?? {}
    this.headers = more.headers ?? {}
  }
}
