import { type Refusal, refuse } from './authorize.ts'
import type { Passage } from './exchange.ts'

/**
 * Finds the route of the exchange's path and method.
 *
 * @returns why there is none.
 */
export function matchRoute(exchange: Passage): Refusal | undefined {
  const match = exchange.config.bridge.table.match(exchange.path, exchange.method)
  switch (match.kind) {
    case 'route':
      exchange.route = match.route
      exchange.captures = match.captures
      return undefined
    case 'method_not_allowed': {
      const allow = match.allow.join(', ')
      return refuse('METHOD_NOT_ALLOWED', `this path takes ${allow}`, { headers: { Allow: allow } })
    }
    case 'not_found':
      return refuse('ROUTE_NOT_FOUND', 'no route of routes.yaml matches this path')
  }
}
