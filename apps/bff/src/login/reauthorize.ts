import type { BffConfig } from '../config.ts'
import type { Frontend } from '../frontends.ts'
import type { LoginRequest } from '../session/session.ts'

/** What a login at a frontend asks for under this configuration. */
export function loginRequestOf(
  config: BffConfig,
  { loginScopes }: Pick<Frontend, 'loginScopes'>,
): LoginRequest {
  const audiences = [...config.requirements.values()]
    // RFC 8707: resources that services minted by `refresh_resource` will need must be named at login.
    .filter(({ mint, audience }) => mint === 'refresh_resource' && URL.canParse(audience))
    .map(({ audience }) => audience)
  return {
    scopes: [...loginScopes],
    resources: [...new Set(audiences)],
  }
}

/**
 * Whether a login now would ask for more than the session's did. Only then can a silent login help;
 * otherwise it would come back with the same grant, and the browser would go round in circles.
 */
export function wouldAskMore(
  config: BffConfig,
  frontend: Pick<Frontend, 'loginScopes'>,
  requested: LoginRequest,
): boolean {
  const now = loginRequestOf(config, frontend)
  return (
    now.scopes.some((scope) => !requested.scopes.includes(scope)) ||
    now.resources.some((resource) => !requested.resources.includes(resource))
  )
}

/** Where the browser goes for it: a top-level navigation, on which the IdP shows nothing. */
export const SILENT_LOGIN = '/auth/login?prompt=none&return_to=%2F'
