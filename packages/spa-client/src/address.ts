/** The BFF's limit for `return_to`. */
const MAX_RETURN_TO = 2048

/** Where the BFF is, as seen from a page. */
export interface Address {
  origin: string
  /** Whether the page is on another origin. */
  isForeign: boolean
  /** The full address of a path of an API. */
  api(path: string): string
  /** The full address of one of the BFF's own paths. */
  own(path: string): string
}

/**
 * Paths are canonical (`/api/v1/…`) whatever the base is. A base that itself ends in `/api` takes them
 * with and without: neither doubles.
 *
 * @param here the page's address.
 */
export function addressOf(baseUrl: string | undefined, here: string): Address {
  const base = new URL(baseUrl || '/', here)
  const prefix = base.origin + base.pathname.replace(/\/+$/, '')
  const root = prefix.replace(/\/api$/, '')
  const own = (path: string) => root + checked(path)
  return {
    origin: base.origin,
    isForeign: base.origin !== new URL(here).origin,
    own,
    api: (path) => (/^\/api(?![^/?])/.test(path) ? own(path) : prefix + checked(path)),
  }
}

/** The attack: `@evil.example/x` or `https://evil.example/x` would take the CSRF token elsewhere. */
function checked(path: string): string {
  if (!path.startsWith('/')) {
    throw new TypeError(`"${path}" is no path of the BFF; write it with its leading slash`)
  }
  return path
}

/**
 * What brings a person back to a page, in the form that the BFF takes: a path on its own origin, else
 * the full address; without its end where it is too long.
 */
export function returnTo(page: URL, bffOrigin: string): string {
  const { pathname, search, hash } = page
  const origin = page.origin === bffOrigin ? '' : page.origin
  // The BFF refuses `//host`, which would be another site, and backslashes, which may become one.
  const start = origin + pathname.replace(/^\/+/, '/')
  for (const rest of [search + hash, search, '']) {
    const whole = (start + rest).replaceAll('\\', '%5C')
    if (whole.length <= MAX_RETURN_TO) return whole
  }
  return `${origin}/`
}

/** Undefined for what is no address at all. */
export function urlOf(text: unknown, base: string): URL | undefined {
  try {
    return new URL(String(text), base)
  } catch {
    return undefined
  }
}
