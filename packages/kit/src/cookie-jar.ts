/**
 * A browser's cookies, as far as signing in needs them (RFC 6265 §5, with the `__Host-` and
 * `__Secure-` prefixes of its successor). Kept by host: cookies know no ports. A Secure cookie
 * travels over https and to this machine, which browsers trust as much.
 */
export interface CookieJar {
  /** Takes a response's `Set-Cookie` values. */
  store(url: URL, setCookies: readonly string[]): void
  /** The `Cookie` header for a request, or undefined. */
  header(url: URL): string | undefined
}

interface Cookie {
  name: string
  value: string
  host: string
  /** Whether hosts below `host` get it too. */
  subdomains: boolean
  path: string
  secure: boolean
  expiresMs: number
}

/** @param nowMs milliseconds since the epoch. */
export function createCookieJar(nowMs: () => number = Date.now): CookieJar {
  const cookies = new Map<string, Cookie>()

  return {
    store(url, setCookies) {
      for (const line of setCookies) {
        const cookie = parseCookie(url, line, nowMs())
        if (cookie === undefined) continue
        const key = JSON.stringify([cookie.host, cookie.path, cookie.name])
        if (cookie.expiresMs > nowMs()) cookies.set(key, cookie)
        else cookies.delete(key)
      }
    },
    header(url) {
      const now = nowMs()
      const sent = [...cookies.values()].filter(
        (cookie) =>
          cookie.expiresMs > now &&
          (!cookie.secure || isTrustworthy(url)) &&
          (cookie.host === url.hostname ||
            (cookie.subdomains && url.hostname.endsWith(`.${cookie.host}`))) &&
          pathMatches(url.pathname, cookie.path),
      )
      if (sent.length === 0) return undefined
      sent.sort((a, b) => b.path.length - a.path.length)
      return sent.map(({ name, value }) => `${name}=${value}`).join('; ')
    },
  }
}

function parseCookie(url: URL, line: string, now: number): Cookie | undefined {
  const [pair = '', ...rest] = line.split(';')
  const equals = pair.indexOf('=')
  if (equals < 1) return undefined
  const name = pair.slice(0, equals).trim()
  const attributes = new Map(
    rest.map((part) => {
      const at = part.indexOf('=')
      const key = (at === -1 ? part : part.slice(0, at)).trim().toLowerCase()
      return [key, at === -1 ? '' : part.slice(at + 1).trim()] as const
    }),
  )
  const secure = attributes.has('secure')
  if (secure && !isTrustworthy(url)) return undefined
  const domain = attributes.get('domain')?.replace(/^\./, '').toLowerCase()
  // Another site's cookie: a host may set one for itself and for what it is part of.
  if (domain && url.hostname !== domain && !url.hostname.endsWith(`.${domain}`)) return undefined
  const path = attributes.get('path')
  if (name.startsWith('__Secure-') && !secure) return undefined
  if (name.startsWith('__Host-') && (!secure || domain || path !== '/')) return undefined
  return {
    name,
    value: pair.slice(equals + 1).trim(),
    host: domain || url.hostname,
    subdomains: Boolean(domain),
    path: path?.startsWith('/') ? path : defaultPath(url.pathname),
    secure,
    expiresMs: expiry(attributes, now),
  }
}

function expiry(attributes: ReadonlyMap<string, string>, now: number): number {
  const maxAge = attributes.get('max-age')
  if (maxAge !== undefined && /^-?\d+$/.test(maxAge)) return now + Number(maxAge) * 1000
  const expires = Date.parse(attributes.get('expires') ?? '')
  return Number.isNaN(expires) ? Number.POSITIVE_INFINITY : expires
}

function isTrustworthy({ protocol, hostname }: URL): boolean {
  return (
    protocol === 'https:' ||
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    /^127\.\d+\.\d+\.\d+$/.test(hostname)
  )
}

/** RFC 6265 §5.1.4. */
function defaultPath(pathname: string): string {
  const end = pathname.lastIndexOf('/')
  return end <= 0 ? '/' : pathname.slice(0, end)
}

function pathMatches(pathname: string, path: string): boolean {
  if (pathname === path) return true
  return pathname.startsWith(path) && (path.endsWith('/') || pathname[path.length] === '/')
}
