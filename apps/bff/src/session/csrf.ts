import { timingSafeEqual } from 'node:crypto'

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])
/** RFC 9110 §9.2.1: the method asks for no change. */
export const isSafeMethod = (method: string) => SAFE.has(method)

/** What a request says of where it comes from. */
export interface RequestOrigin {
  method: string
  origin: string | undefined
  fetchSite: string | undefined
  token: string | undefined
}

/** Reads it from a request's head; a field that came twice is none. */
export function requestOrigin(
  method: string,
  headers: NodeJS.Dict<string | string[]>,
): RequestOrigin {
  const one = (name: string) => {
    const value = headers[name]
    return typeof value === 'string' ? value : undefined
  }
  return {
    method,
    origin: one('origin'),
    fetchSite: one('sec-fetch-site'),
    token: one('x-csrf-token'),
  }
}

/**
 * Whether an unsafe request with a session proves that our own page sent it.
 *
 * The attack: another site makes the browser send a form or fetch with the user's cookie. It cannot
 * read the token (same-origin policy) and cannot forge `Origin` or `Sec-Fetch-Site`.
 *
 * @returns why not, or undefined when it does.
 */
export function csrfFault(
  request: RequestOrigin,
  expectedToken: string,
  allowedOrigins: ReadonlySet<string>,
): string | undefined {
  if (isSafeMethod(request.method)) return undefined
  const foreign = originFault(request, allowedOrigins)
  if (foreign !== undefined) return foreign
  if (request.token === undefined) return 'the X-CSRF-Token header is missing'
  const given = Buffer.from(request.token)
  const expected = Buffer.from(expectedToken)
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    return "the X-CSRF-Token header is not this session's"
  }
  return undefined
}

/** Whether a request says that another site's page sent it; the half that needs no session. */
export function originFault(
  { origin, fetchSite }: Pick<RequestOrigin, 'origin' | 'fetchSite'>,
  allowedOrigins: ReadonlySet<string>,
): string | undefined {
  if (origin !== undefined && !allowedOrigins.has(origin)) {
    return 'the Origin header names an origin that is not allowed'
  }
  if (origin === undefined && fetchSite === 'cross-site') {
    return 'Sec-Fetch-Site says cross-site and no Origin is given'
  }
  return undefined
}
