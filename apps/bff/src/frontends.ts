import type { BridgeConfig } from '@audience-bridge/chain/bridge-config.ts'
import {
  type FrontendSettings,
  frontendsOf,
  sessionCookieName,
} from '@audience-bridge/chain/frontends.ts'
import type { CookiePolicy } from './session/cookie.ts'

/** One of the applications that the BFF serves: a host of its own, and all that hangs on it. */
export interface Frontend {
  name: string
  publicUrl: URL
  cookies: CookiePolicy
  /** Origins whose pages may change things: its own and its `allow_origins`. */
  trustedOrigins: ReadonlySet<string>
  corsOrigins: ReadonlySet<string>
  /** What its login asks for. */
  loginScopes: readonly string[]
  /** Where its users sign in. */
  issuer: string
}

export interface Frontends {
  /** The frontend of `server.public_url`. */
  first: Frontend
  all: readonly Frontend[]
  /** Of all of them. */
  cookies: readonly CookiePolicy[]
  /**
   * The frontend whose host a request names; undefined when none has it. While there is but one
   * frontend it answers under every name: health checks and proxies call by address.
   *
   * @param believed the peer is a trusted proxy, whose `X-Forwarded-Host` counts.
   */
  of(request: { rawHeaders: readonly string[] }, believed: () => boolean): Frontend | undefined
}

export function readFrontends({ settings, idps }: BridgeConfig): Frontends {
  const issuerOf = (name: string | undefined) =>
    idps.find((entry) => entry.name === name)?.issuer ?? settings.auth.issuer
  const [first, ...further] = frontendsOf(settings).map((frontend) =>
    readFrontend(frontend, issuerOf(frontend.idp)),
  )
  if (first === undefined) throw new Error('there is always a first frontend')
  const all = [first, ...further]
  const byHost = new Map(all.flatMap((one) => hostsOf(one).map((host) => [host, one] as const)))
  return {
    first,
    all,
    cookies: all.map(({ cookies }) => cookies),
    of(request, believed) {
      if (further.length === 0) return first
      const host = calledHost(request.rawHeaders, believed)
      return host === undefined ? undefined : byHost.get(host)
    },
  }
}

function readFrontend(frontend: FrontendSettings, issuer: string): Frontend {
  const { name, publicUrl, oauthScopes } = frontend
  const corsOrigins = new Set(frontend.allowOrigins)
  return {
    name,
    publicUrl,
    cookies: cookiePolicyOf(frontend),
    trustedOrigins: new Set([publicUrl.origin, ...corsOrigins]),
    corsOrigins,
    loginScopes: oauthScopes.split(' '),
    issuer,
  }
}

export function cookiePolicyOf(frontend: Pick<FrontendSettings, 'cookies'>): CookiePolicy {
  const { cookie_suffix: given, cookie_domain: domain, same_site: sameSite } = frontend.cookies
  const suffix = given === undefined ? '' : `_${given}`
  return {
    sessionName: sessionCookieName(frontend),
    loginPrefix: `__Host-bff_login${suffix}_`,
    loggedOutName: `__Host-bff_logged_out${suffix}`,
    domain,
    sameSite,
  }
}

/** As a `Host` may name it: the default port is written or not. */
function hostsOf({ publicUrl }: Frontend): string[] {
  const { host, port, protocol } = publicUrl
  return port === '' ? [host, `${host}:${protocol === 'https:' ? 443 : 80}`] : [host]
}

/**
 * The host that the browser called, or undefined when the head names none or several.
 *
 * The attack: two `Host` fields, or a list in `X-Forwarded-Host`, of which a proxy in front reads one
 * and we the other: a request judged there as one frontend's would be answered here as another's.
 */
function calledHost(raw: readonly string[], believed: () => boolean): string | undefined {
  const hosts: string[] = []
  const forwarded: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]?.toLowerCase()
    if (name === 'host') hosts.push(raw[i + 1] ?? '')
    else if (name === 'x-forwarded-host') forwarded.push(raw[i + 1] ?? '')
  }
  const values = forwarded.length > 0 && believed() ? forwarded : hosts
  return values.length === 1 ? values[0]?.trim().toLowerCase() : undefined
}
