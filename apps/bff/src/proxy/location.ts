import { type CompiledRoute, upstreamPath } from '@audience-bridge/chain/route-table.ts'

/**
 * Gives a backend's `Location` the address under which the browser knows the place. Addresses
 * elsewhere pass as they are; a place of the backend that no address of ours leads to loses its
 * internal origin at least.
 *
 * @param others further addresses of the same backend.
 */
export function rewriteLocation(
  value: string,
  baseUrl: string,
  route: CompiledRoute,
  others: readonly string[] = [],
): string {
  const base = new URL(baseUrl)
  const url = URL.parse(value, base)
  if (url === null) return value
  const { origin } = url
  const ours = origin === base.origin || others.some((other) => new URL(other).origin === origin)
  if (!ours) return value
  if (!value.startsWith('/') && !URL.canParse(value)) return value
  const rest = url.search + url.hash
  const path = publicPath(url.pathname, base, route) ?? url.pathname
  // `//evil.example/x` would be another host to the browser.
  return `${path.replace(/^\/{2,}/, '/')}${rest}`
}

/** The public path of an upstream path under a route that ends in `*`, or undefined. */
function publicPath(path: string, base: URL, route: CompiledRoute): string | undefined {
  const { pattern, upstream } = route
  const last = pattern.segments.at(-1)
  const literal = upstream[0]
  if (last?.kind !== 'rest' || typeof literal !== 'string' || upstream.length > 3) return undefined
  // Only `/literal/{path}` can be read backwards without guessing.
  if (pattern.segments.some((segment) => segment.kind === 'param') || (upstream[2] ?? '') !== '') {
    return undefined
  }
  const prefix = base.pathname.replace(/\/$/, '') + literal
  if (!path.startsWith(prefix)) return undefined
  return pattern.text.slice(0, -1) + path.slice(prefix.length)
}

/** The URL path to ask the backend for, under its base URL's own path. */
export function upstreamTarget(
  base: URL,
  route: CompiledRoute,
  captures: readonly string[],
  query: string,
): string {
  const prefix = base.pathname === '/' ? '' : base.pathname.replace(/\/$/, '')
  return prefix + upstreamPath(route, captures) + query
}
