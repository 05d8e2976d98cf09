/** How the session cookie is called and scoped. */
export interface CookiePolicy {
  sessionName: string
  /** Prefix of the cookies that bind a login under way to its browser. */
  loginPrefix: string
  /** Whose presence makes the next login ask for the password again. */
  loggedOutName: string
  domain: string | undefined
  sameSite: 'lax' | 'none'
}

/**
 * The value of the cookie `name`, or undefined when it is absent or sent twice: with two values, a
 * sibling domain may have planted one, and choosing would let it pick the session (cookie tossing).
 */
export function readCookie(header: string | undefined, name: string): string | undefined {
  if (header === undefined) return undefined
  let value: string | undefined
  let at = 0
  while (at < header.length) {
    let end = header.indexOf(';', at)
    if (end === -1) end = header.length
    while (header[at] === ' ') at++
    if (header.startsWith(name, at) && header[at + name.length] === '=') {
      if (value !== undefined) return undefined
      value = header.slice(at + name.length + 1, end).trim()
    }
    at = end + 1
  }
  return value
}

/** The names of all cookies that start with `prefix`. */
export function cookieNames(header: string | undefined, prefix: string): string[] {
  return (header ?? '')
    .split(';')
    .map((pair) => pair.slice(0, Math.max(0, pair.indexOf('='))).trim())
    .filter((name) => name.startsWith(prefix))
}

/**
 * A `Set-Cookie` value: always HttpOnly, Secure, Path=/. For pages of other sites it is also
 * `Partitioned`: browsers keep one for each site that embeds us, so that it cannot follow the user.
 *
 * @param more `domain` of the session's cookie alone; `maxAgeSeconds` absent: until the browser closes; 0: delete.
 */
export function writeCookie(
  name: string,
  value: string,
  more: {
    sameSite: CookiePolicy['sameSite']
    maxAgeSeconds?: number
    domain?: string | undefined
  },
): string {
  const age = more.maxAgeSeconds === undefined ? '' : `; Max-Age=${more.maxAgeSeconds}`
  const domain = more.domain === undefined ? '' : `; Domain=${more.domain}`
  const site = more.sameSite === 'none' ? 'SameSite=None; Partitioned' : 'SameSite=Lax'
  return `${name}=${value}; Path=/${domain}${age}; HttpOnly; Secure; ${site}`
}

/**
 * Whether a `Set-Cookie` value of a backend names one of our cookies. A cookie without a name
 * (`=bff_session=x`) counts by its value: browsers send it back as that very pair.
 */
export function isOurCookie(setCookie: string, policy: CookiePolicy): boolean {
  const pair = (setCookie.split(';', 1)[0] ?? '').replace(/^[\s=]+/, '')
  const name = (pair.split('=', 1)[0] ?? '').trim()
  return (
    name === policy.sessionName ||
    name === policy.loggedOutName ||
    name.startsWith(policy.loginPrefix)
  )
}
