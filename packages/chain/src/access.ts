import { decideAudience, OIDC_SCOPES } from './audience-policy.ts'
import type { BridgeConfig } from './bridge-config.ts'
import type { IdpIndex } from './bridge-index.ts'
import { judgeChain } from './chain.ts'
import { reach, requirementOf } from './requirement.ts'
import { methodsOf } from './route-table.ts'

/**
 * Effective access: what the files, taken together, let come true. A review of the files line by line
 * does not show it: one audience more in one list may open nothing, or five things.
 */

/** One thing that somebody can have. */
export interface Access {
  /** `token`: what the IdP would issue. `bridge`: what the BFF sends on. `route`: who may call what. */
  kind: 'token' | 'bridge' | 'route'
  /** A client id, or `anyone`, `a session`, `a bearer token`. */
  who: string
  /** The scopes held, or the methods and path called. */
  with: string
  /** The services of the audience, as the BFF's map names them; empty for none. */
  service: string
  audience: string
  /** Scopes of the token, or methods of the route. Each is a thing of its own. */
  scopes: readonly string[]
  /** Where calls and tokens go. */
  to?: string
}

export function accessOf(config: BridgeConfig): Access[] {
  return [...tokenAccess(config), ...bridgeAccess(config), ...routeAccess(config)]
}

/** For every client and every scope that it may hold: each audience, with the scopes of its token. */
function tokenAccess(config: BridgeConfig): Access[] {
  const { idp, idpIndex } = config
  if (idp === undefined || idpIndex === undefined) return []
  const named = serviceNames(config)
  return Object.entries(idp.clients)
    .filter(([, client]) => client.enabled)
    .flatMap(([id, { allowed_audiences: allowed, scopes }]) => {
      const mayAsk = new Set(allowed)
      const own = [...new Set(scopes)].filter((scope) => !OIDC_SCOPES.has(scope))
      return own.flatMap((scope) =>
        reachedAudiences(idpIndex, scope, mayAsk).flatMap((audience): Access[] => {
          const decision = decideAudience(idpIndex.mappings, {
            clientId: id,
            allowed,
            granted: [scope],
            audience,
            requested: undefined,
          })
          if (decision.kind === 'refused') return []
          const service = named.get(audience) ?? ''
          const sent = [...decision.scopes].sort()
          return [{ kind: 'token', who: id, with: scope, service, audience, scopes: sent }]
        }),
      )
    })
}

/** The audiences about which there is something to decide. */
function reachedAudiences({ mappings }: IdpIndex, scope: string, mayAsk: ReadonlySet<string>) {
  const { audiencesByScope } = reach(mappings, [scope])
  const all = [...audiencesByScope.values()].flatMap((audiences) => [...audiences])
  return [...new Set(all)].filter((audience) => mayAsk.has(audience))
}

/** For every service that a route bridges to: the token that a session's login leads to. */
function bridgeAccess(config: BridgeConfig): Access[] {
  const { settings, idpIndex } = config
  const { client_id: id, oauth_scopes: asked } = settings.auth
  const bridged = wholeRoutes(config).filter(({ route }) => route.auth === 'session')
  const services = new Set(bridged.map(({ route }) => route.target_service))
  return [...services].flatMap((service): Access[] => {
    const requirement = requirementOf(settings, service)
    if (requirement === undefined) return []
    const { audience, scopes, requires, mint } = requirement
    const held = mint === 'client_credentials' ? (idpIndex?.client?.scopes ?? []) : asked.split(' ')
    const decide = (requested: readonly string[] | undefined) =>
      idpIndex === undefined
        ? undefined
        : decideAudience(idpIndex.mappings, {
            clientId: id,
            allowed: [...idpIndex.allowedAudiences],
            granted: held,
            audience,
            requested,
          })
    const all = decide(scopes.length === 0 ? undefined : scopes)
    const one = requires === 'any' ? scopes.find((scope) => granted(decide([scope]))) : undefined
    const sent = granted(all) ?? (one === undefined ? undefined : [one])
    // Without the IdP's files, what is asked for is all that is known.
    if (sent === undefined && idpIndex !== undefined) return []
    return [
      {
        kind: 'bridge',
        who: 'a session',
        with: held.filter((scope) => !OIDC_SCOPES.has(scope)).join(' '),
        service,
        audience,
        scopes: [...(sent ?? scopes)].sort(),
      },
    ]
  })
}

const granted = (decision: ReturnType<typeof decideAudience> | undefined) =>
  decision?.kind === 'granted' ? decision.scopes : undefined

const CALLERS = { none: 'anyone', session: 'a session', bearer: 'a bearer token' } as const

/** A route with a broken link opens nothing. */
const wholeRoutes = (config: BridgeConfig) =>
  config.compiled.filter((route) => judgeChain(config, route).broken === undefined)

/** Who may call which paths of which service. */
function routeAccess(config: BridgeConfig): Access[] {
  const { routes, settings } = config
  return wholeRoutes(config).map((compiledRoute) => {
    const { route } = compiledRoute
    const to = routes.services[route.target_service]?.base_url
    return {
      ...(to === undefined ? {} : { to }),
      kind: 'route',
      who: CALLERS[route.auth],
      with: route.path,
      service: route.target_service,
      audience: requirementOf(settings, route.target_service)?.audience ?? '',
      scopes: [...methodsOf(compiledRoute)].sort(),
    }
  })
}

function serviceNames({ settings }: BridgeConfig): Map<string, string> {
  const services = Object.keys({ ...settings.service_tokens, ...settings.service_audiences })
  const named = new Map<string, string[]>()
  for (const service of services) {
    const audience = requirementOf(settings, service)?.audience ?? ''
    named.set(audience, [...(named.get(audience) ?? []), service])
  }
  return new Map([...named].map(([audience, names]) => [audience, names.sort().join(', ')]))
}
