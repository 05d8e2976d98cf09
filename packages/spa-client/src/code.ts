/** Codes of the BFF's problem documents; `docs/errors/` explains each. */
export type ProblemCode =
  | 'BAD_REQUEST'
  | 'PATH_AMBIGUOUS'
  | 'LOGIN_STATE_INVALID'
  | 'RETURN_TO_REFUSED'
  | 'SESSION_REQUIRED'
  | 'SESSION_EXPIRED'
  | 'NO_TOKEN_AVAILABLE'
  | 'AUDIENCE_MISMATCH'
  | 'TOKEN_REJECTED'
  | 'TOKEN_REQUIRED'
  | 'TOKEN_INVALID'
  | 'CSRF_REJECTED'
  | 'ORIGIN_FORBIDDEN'
  | 'WEBSOCKET_NOT_ALLOWED'
  | 'INSUFFICIENT_SCOPE'
  | 'ACCESS_DENIED'
  | 'REAUTHORIZATION_REQUIRED'
  | 'ADMIN_REQUIRED'
  | 'HOST_UNKNOWN'
  | 'ROUTE_NOT_FOUND'
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'CONFLICT'
  | 'BODY_TOO_LARGE'
  | 'HEAD_TOO_LARGE'
  | 'EXPECTATION_FAILED'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'RATE_LIMITED'
  | 'UPSTREAM_UNREACHABLE'
  | 'UPSTREAM_INVALID'
  | 'LOGIN_FAILED'
  | 'IDP_UNAVAILABLE'
  | 'STORE_UNAVAILABLE'
  | 'OVERLOADED'
  | 'UPSTREAM_SUSPENDED'
  | 'UPSTREAM_TIMEOUT'
  | 'INTERNAL'

/** Failures that no problem document reported. */
export type LocalCode =
  /** No answer came. */
  | 'NETWORK'
  /** A successful answer could not be read. */
  | 'ANSWER_INVALID'
  /** Somebody else is signed in than this page knew, so an unsafe request was not sent. */
  | 'USER_CHANGED'
  /** An error without a code: of a proxy in between, or of the service itself. */
  | 'UNKNOWN'

/** Open at the end: a service's own problems have codes of their own. */
export type ErrorCode = ProblemCode | LocalCode | (string & {})
