import type { BffSettings } from './bff-settings.ts'
import type { KeyPath } from './document.ts'

/** The frontend that `server`, `session`, `auth` and `cors` describe; the only one without `frontends`. */
export const DEFAULT_FRONTEND = 'default'

/** One frontend as the settings have it, and where they say so. */
export interface FrontendSettings {
  name: string
  publicUrl: URL
  cookies: Pick<
    BffSettings['session'],
    'cookie_name' | 'cookie_suffix' | 'cookie_domain' | 'same_site'
  >
  /** Origins of other hosts, `cors.dev_origins` included. */
  allowOrigins: readonly string[]
  /** What its login asks for. */
  oauthScopes: string
  /** The name of its entry in idps.yaml; undefined: the IdP of `auth`. */
  idp: string | undefined
  at: { publicUrl: KeyPath; cookies: KeyPath; allowOrigins: KeyPath; oauthScopes: KeyPath }
}

/** All frontends, the first one first. */
export function frontendsOf(settings: BffSettings): FrontendSettings[] {
  const { server, session, auth, cors, frontends } = settings
  const originsOf = (urls: readonly string[]) =>
    [...urls, ...cors.dev_origins].map((text) => new URL(text).origin)
  const further = Object.entries(frontends).map(([name, frontend]): FrontendSettings => {
    const at = ['frontends', name]
    return {
      name,
      publicUrl: new URL(frontend.public_url),
      // Of its own, so that no two frontends on one host name share a cookie unasked.
      cookies: { ...frontend, cookie_suffix: frontend.cookie_suffix ?? name },
      allowOrigins: originsOf(frontend.cors.allow_origins),
      oauthScopes: frontend.oauth_scopes ?? auth.oauth_scopes,
      idp: frontend.idp,
      at: {
        publicUrl: [...at, 'public_url'],
        cookies: at,
        allowOrigins: [...at, 'cors', 'allow_origins'],
        oauthScopes:
          frontend.oauth_scopes === undefined ? ['auth', 'oauth_scopes'] : [...at, 'oauth_scopes'],
      },
    }
  })
  const first: FrontendSettings = {
    name: DEFAULT_FRONTEND,
    publicUrl: new URL(server.public_url),
    cookies: session,
    allowOrigins: originsOf(cors.allow_origins),
    oauthScopes: auth.oauth_scopes,
    idp: undefined,
    at: {
      publicUrl: ['server', 'public_url'],
      cookies: ['session'],
      allowOrigins: ['cors', 'allow_origins'],
      oauthScopes: ['auth', 'oauth_scopes'],
    },
  }
  return [first, ...further]
}

/** The name of a frontend's session cookie: `__Host-` unless a domain is configured (RFC 6265bis §4.1.3). */
export function sessionCookieName({ cookies }: Pick<FrontendSettings, 'cookies'>): string {
  const prefix = cookies.cookie_domain === undefined ? '__Host-' : ''
  const suffix = cookies.cookie_suffix === undefined ? '' : `_${cookies.cookie_suffix}`
  return `${cookies.cookie_name ?? `${prefix}bff_session`}${suffix}`
}

/** Whether a browser sends one frontend's session cookie to another's host; cookies know no ports. */
export function cookieReaches(from: FrontendSettings, to: FrontendSettings): boolean {
  const host = to.publicUrl.hostname
  const domain = from.cookies.cookie_domain?.replace(/^\./, '').toLowerCase()
  return domain === undefined
    ? from.publicUrl.hostname === host
    : host === domain || host.endsWith(`.${domain}`)
}
