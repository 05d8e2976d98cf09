import type { IdpSettings } from '@audience-bridge/chain/idp-settings.ts'
import { CLAIMS } from './claims.ts'
import { type Keys, keysInOrder } from './keys.ts'
import type { Site } from './site.ts'

/**
 * Stands for "no resource named": the login's own token. Never a token's audience. A client that names
 * resources at the login and needs the login's own token too names this one beside them; discovery
 * tells it as `login_resource`. Without `resource`, its code and its refresh token then give that one.
 */
export const LOGIN_RESOURCE = 'urn:audience-bridge:login'

export const CLIENT_AUTH_METHODS = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
] as const

/** The life of a model in seconds. A token bound to a resource knows its own. */
const tokenLife = (seconds: number) => {
  return (
    _ctx: unknown,
    token: { resourceServer?: { accessTokenTTL?: number | undefined } | undefined },
  ) => token.resourceServer?.accessTokenTTL ?? seconds
}

/** The part of the library's configuration that is plain data. */
export function providerSettings(site: Site, tokens: IdpSettings['token'], keys: Keys) {
  return {
    clientDefaults: { id_token_signed_response_alg: 'ES256' as const },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] as const },
    responseTypes: ['code'] as const,
    claims: CLAIMS,
    conformIdTokenClaims: false,
    jwks: { keys: keysInOrder(keys, Date.now() / 1000).map(({ iat: _, nbf: __, ...key }) => key) },
    cookies: {
      keys: keys.cookies,
      names: site.cookieNames,
      // The path keeps the session out of every request that is not for the IdP.
      long: { signed: true, httpOnly: true, sameSite: 'lax' as const, path: site.base || '/' },
      short: { signed: true, httpOnly: true, sameSite: 'lax' as const },
    },
    routes: {
      authorization: '/authorize',
      token: '/token',
      pushed_authorization_request: '/par',
      jwks: '/jwks',
      introspection: '/introspect',
      revocation: '/revoke',
      end_session: '/end_session',
    },
    discovery: {
      userinfo_endpoint: `${site.issuer}/userinfo`,
      login_resource: LOGIN_RESOURCE,
      frontchannel_logout_supported: true,
      frontchannel_logout_session_supported: true,
    },
    ttl: {
      AccessToken: tokenLife(tokens.access_token_seconds),
      ClientCredentials: tokenLife(tokens.access_token_seconds),
      AuthorizationCode: 60,
      IdToken: tokens.access_token_seconds,
      Interaction: 3600,
      RefreshToken: tokens.refresh_token_seconds,
      Grant: tokens.login_seconds,
      Session: tokens.login_seconds,
    },
    rotateRefreshToken: true,
    // For a client's `jwks_uri`. The library's guard against private addresses is taken off: these
    // addresses come from the administrator's file alone, and name services of the same network.
    fetch: (url: string | URL | Request, options: RequestInit & { dispatcher?: unknown } = {}) => {
      const { dispatcher: _, ...ours } = options
      // The attack: an address that may be called by https alone sends us on to one that may not.
      return globalThis.fetch(url, { redirect: 'error', ...ours })
    },
  }
}
