import { readTarget } from '@audience-bridge/chain/request-path.ts'
import { RESERVED_PREFIXES } from '@audience-bridge/chain/route-path.ts'
import { type Refusal, refuse } from './proxy/authorize.ts'
import { isPreflight } from './proxy/cors.ts'
import type { Passage } from './proxy/exchange.ts'
import { wasHere } from './proxy/hops.ts'
import { matchRoute } from './proxy/match.ts'
import { isForeign, isOfOtherSite } from './proxy/origin.ts'

/** Whom a request is for: a backend, the BFF itself, or nobody. */
export type Place = { kind: 'route' | 'preflight' | 'verify' | 'own' } | Refusal

/** Reads the path, once for everybody who comes after, and tells whom the request is for. */
export function findPlace(passage: Passage): Place {
  const { req, method } = passage
  const target = readTarget(req.url ?? '')
  if (target.kind === 'refused') {
    passage.path = '(refused)'
    return refuse('PATH_AMBIGUOUS', `${target.reason}; send one plain path`)
  }
  const { path, query } = target
  passage.path = path
  passage.query = query
  // Whoever reads the path after us reads what we read: `/%61dmin` is `/admin` to every rule.
  req.url = path + query
  if (wasHere(req.headers.via, passage.config.bridge.settings.server.via)) {
    return refuse(
      'BAD_REQUEST',
      'this request has passed this gateway already (Via): the base_url of a service leads back to it',
    )
  }
  const alive = path === '/health' || path.startsWith('/health/')
  if (!passage.hostKnown && !alive) {
    return refuse('HOST_UNKNOWN', 'no frontend has the host that was called')
  }
  // Asked by a proxy, about a request to whatever stands behind it: its `Origin` is judged there.
  if (path === '/auth/verify' || path === '/auth/forward') return { kind: 'verify' }
  if (isForeign(passage)) {
    return refuse(
      'ORIGIN_FORBIDDEN',
      'the origin of the page is not in cors.allow_origins of this frontend',
    )
  }
  if (isPreflight(method, req.headers)) return { kind: 'preflight' }
  const reserved = isReserved(path)
  const missing = reserved ? undefined : matchRoute(passage)
  const bySession = passage.route?.route.auth === 'session'
  if ((bySession || (reserved && !alive)) && isOfOtherSite(passage)) {
    return refuse(
      'ORIGIN_FORBIDDEN',
      'the page is on another site, and this frontend keeps its cookie to its own (same_site: lax)',
    )
  }
  if (reserved) return { kind: 'own' }
  if (missing === undefined) return { kind: 'route' }
  // A route that covers `/api/v1/health` has it; without one it is ours.
  const health = path === '/api/v1/health' || path.startsWith('/api/v1/health/')
  const api = !health && (path === '/api' || path.startsWith('/api/'))
  return missing.code === 'ROUTE_NOT_FOUND' && !api ? { kind: 'own' } : missing
}

function isReserved(path: string): boolean {
  return RESERVED_PREFIXES.some(
    (prefix) =>
      path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/'),
  )
}
