/**
 * Cross-origin answers for the origins of `cors.allow_origins` (facts 2.3): credentials allowed, the
 * origin named explicitly, never `*`.
 */
export const CORS_EXPOSED = 'X-Correlation-ID, Retry-After, Location, RateLimit, RateLimit-Policy'
const ALLOWED_METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'
const ALLOWED_HEADERS =
  'Content-Type, X-CSRF-Token, X-Requested-With, X-Correlation-ID, Accept, If-Match, If-None-Match'

/**
 * Headers that an answer to `origin` carries. Where other origins are allowed at all, a cache must
 * keep the answers to each apart, and from those to our own pages.
 */
export function corsHeaders(
  origin: string | undefined,
  allowed: ReadonlySet<string>,
): Record<string, string> {
  if (allowed.size === 0) return {}
  if (origin === undefined || !allowed.has(origin)) return { Vary: 'Origin' }
  return {
    'Access-Control-Allow-Origin': origin,
    'Access-Control-Allow-Credentials': 'true',
    'Access-Control-Expose-Headers': CORS_EXPOSED,
    Vary: 'Origin',
  }
}

/** Headers of the answer to a preflight (Fetch Standard), which browsers send without a cookie. */
export function preflightHeaders(origin: string): Record<string, string> {
  return {
    'Access-Control-Allow-Origin': origin,
    'Access-Control-Allow-Credentials': 'true',
    'Access-Control-Allow-Methods': ALLOWED_METHODS,
    'Access-Control-Allow-Headers': ALLOWED_HEADERS,
    'Access-Control-Max-Age': '600',
    Vary: 'Origin',
  }
}

export function isPreflight(method: string, headers: NodeJS.Dict<string | string[]>): boolean {
  return (
    method === 'OPTIONS' &&
    headers.origin !== undefined &&
    headers['access-control-request-method'] !== undefined
  )
}
