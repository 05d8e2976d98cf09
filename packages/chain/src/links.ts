import type { BridgeConfig } from './bridge-config.ts'
import type { Place } from './fault.ts'
import type { BrokenLink, LinkName, LinkResult } from './link.ts'
import { nearMiss } from './near-miss.ts'
import { nearest } from './nearest.ts'
import { reach, requirementOf } from './requirement.ts'
import type { CompiledRoute } from './route-table.ts'

/** One function a link, in the order in which a request meets them; pure, over the files alone. */

type Judge = (config: BridgeConfig, route: CompiledRoute) => LinkResult

const holds = (link: LinkName, evidence: string): LinkResult => ({ link, state: 'holds', evidence })

const unknown = (link: LinkName, why: string): LinkResult => ({ link, state: 'unknown', why })

function broken(
  link: LinkName,
  code: string,
  at: Place,
  words: { found: string; expected: string; mend: string },
): BrokenLink {
  return { link, state: 'broken', code, at, ...words }
}

const NO_IDP_FILES = "the IdP's files are not readable here (idp_config_dir)"
const EARLIER = 'an earlier link is broken'
const NO_TOKEN = 'this route forwards no token of ours'

const bridged = ({ route }: CompiledRoute) => route.auth === 'session'

const judgeTargetService: Judge = (config, { route, index }) => {
  const link = 'target_service'
  const service = route.target_service
  const known = Object.keys(config.routes.services)
  if (config.routes.services[service] !== undefined) {
    return holds(
      link,
      `services.${service}.base_url is ${config.routes.services[service].base_url}`,
    )
  }
  const meant = nearest(service, known)
  return broken(
    link,
    'target_service_unknown',
    config.placeOf('routes', ['routes', index, 'target_service']),
    {
      found: `target_service "${service}", which services does not have`,
      expected: `one of ${known.join(', ')}`,
      mend:
        meant === undefined
          ? `add services.${service}.base_url`
          : `did you mean "${meant}"? Otherwise add services.${service}.base_url`,
    },
  )
}

const judgeServiceAudience: Judge = (config, route) => {
  const link = 'service_audience'
  // A bearer route has no token of ours, but an audience that the caller's token must be for.
  if (route.route.auth === 'none') return unknown(link, NO_TOKEN)
  const service = route.route.target_service
  const requirement = requirementOf(config.settings, service)
  if (requirement !== undefined)
    return holds(link, `the audience of ${service} is ${requirement.audience}`)
  const services = Object.keys(config.routes.services)
  if (!services.includes(service) && nearest(service, services) !== undefined)
    return unknown(link, EARLIER)
  const meant = nearest(service, Object.keys(config.settings.service_audiences))
  return broken(
    link,
    'service_audience_missing',
    config.placeOf('settings', ['service_audiences']),
    {
      found: `no entry for "${service}" in service_audiences${meant === undefined ? '' : ` (there is "${meant}")`}`,
      expected: 'an entry for every target_service of a session route',
      mend: `add "${service}: <audience of the service>" to service_audiences`,
    },
  )
}

const judgeClient: Judge = (config) => {
  const link = 'client'
  if (config.idp === undefined) return unknown(link, NO_IDP_FILES)
  const id = config.settings.auth.client_id
  const client = config.idp.clients[id]
  if (client?.enabled) return holds(link, `the IdP knows the client ${id}`)
  if (client !== undefined) {
    return broken(link, 'client_disabled', config.placeOf('idp_clients', [id, 'enabled']), {
      found: `client "${id}", which is disabled at the IdP`,
      expected: 'an enabled client',
      mend: `delete ${id}.enabled`,
    })
  }
  const known = Object.keys(config.idp.clients)
  const meant = nearest(id, known)
  return broken(link, 'client_unknown', config.placeOf('settings', ['auth', 'client_id']), {
    found: `client "${id}", which the IdP does not know`,
    expected: `one of ${known.join(', ')}`,
    mend:
      meant === undefined
        ? `add "${id}" to the IdP's clients.yaml`
        : `did you mean "${meant}"? Otherwise add "${id}" to the IdP's clients.yaml`,
  })
}

const judgeClientScopes: Judge = (config) => {
  const link = 'client_scopes'
  const id = config.settings.auth.client_id
  const client = config.idp?.clients[id]
  if (client === undefined) return unknown(link, config.idp === undefined ? NO_IDP_FILES : EARLIER)
  const missing = loginScopes(config).filter((scope) => !client.scopes.includes(scope))
  if (missing.length === 0) return holds(link, `${id} may ask for every scope of the login`)
  return broken(link, 'client_scope_missing', config.placeOf('idp_clients', [id, 'scopes']), {
    found: `${id}.scopes without ${quote(missing)}`,
    expected: `every scope of auth.oauth_scopes (${config.settings.auth.oauth_scopes})`,
    mend: `add ${missing.join(', ')} to ${id}.scopes`,
  })
}

const judgeScopeMapping: Judge = (config, route) => {
  const link = 'scope_mapping'
  const requirement = bridgedRequirement(config, route)
  if (typeof requirement === 'string') return unknown(link, requirement)
  if (config.idp === undefined) return unknown(link, NO_IDP_FILES)
  const { audience } = requirement
  const mappings = config.idp.settings.token.audience_mappings.scope_mappings
  const scopes = mappings.filter((m) => m.audiences.includes(audience)).map((m) => m.scope)
  if (scopes.length > 0) return holds(link, `${scopes.join(', ')} lead to ${audience}`)
  const at = mappings
    .flatMap((m, i) => m.audiences.map((_, j) => [i, 'audiences', j] as const))
    .find(([i, , j]) => nearMiss(mappings[i]?.audiences[j] ?? '', audience))
  const near = at === undefined ? undefined : mappings[at[0]]?.audiences[at[2]]
  return broken(
    link,
    'audience_unmapped',
    config.placeOf('idp_settings', [
      ...['token', 'audience_mappings', 'scope_mappings'],
      ...(at ?? []),
    ]),
    {
      found:
        near === undefined
          ? `no scope that leads to "${audience}"`
          : `"${near}"; ${nearMiss(near, audience)}`,
      expected: `"${audience}", exactly`,
      mend:
        near === undefined
          ? `add "${audience}" to the audiences of a scope that the login asks for`
          : `write the same audience in service_audiences.${requirement.service} and in scope_mappings`,
    },
  )
}

const judgeLoginScope: Judge = (config, route) => {
  const link = 'login_scope'
  const requirement = bridgedRequirement(config, route)
  if (typeof requirement === 'string') return unknown(link, requirement)
  if (config.idp === undefined) return unknown(link, NO_IDP_FILES)
  const mappings = config.idp.settings.token.audience_mappings.scope_mappings
  const scopes = mappings
    .filter((m) => m.audiences.includes(requirement.audience))
    .map((m) => m.scope)
  if (scopes.length === 0) return unknown(link, EARLIER)
  const reached = reach(mappings, baseScopes(config, requirement.mint)).scopes
  const leading = scopes.filter((scope) => reached.has(scope))
  if (leading.length > 0) return holds(link, `the login's scopes reach ${leading.join(', ')}`)
  return broken(link, 'login_scope_missing', config.placeOf('settings', ['auth', 'oauth_scopes']), {
    found: `auth.oauth_scopes "${config.settings.auth.oauth_scopes}", none of which leads to "${requirement.audience}"`,
    expected: `one of ${scopes.join(', ')}, or a scope that implies it`,
    mend: `add ${scopes[0]} to auth.oauth_scopes`,
  })
}

const judgeServiceScopes: Judge = (config, route) => {
  const link = 'service_scopes'
  const requirement = bridgedRequirement(config, route)
  if (typeof requirement === 'string') return unknown(link, requirement)
  if (config.idp === undefined) return unknown(link, NO_IDP_FILES)
  const mappings = config.idp.settings.token.audience_mappings.scope_mappings
  const reached = reach(mappings, baseScopes(config, requirement.mint))
  const mapped = mappings.filter((m) => m.audiences.includes(requirement.audience))
  if (!mapped.some(({ scope }) => reached.scopes.has(scope))) return unknown(link, EARLIER)
  const leads = (scope: string) =>
    reached.audiencesByScope.get(scope)?.has(requirement.audience) === true
  const astray = requirement.scopes.filter((scope) => !leads(scope))
  const enough =
    requirement.requires === 'any' ? astray.length < requirement.scopes.length : astray.length === 0
  if (requirement.scopes.length === 0 || enough)
    return holds(link, `"${requirement.scopes.join(' ')}" leads to ${requirement.audience}`)
  const usable = [...reached.scopes].filter(leads)
  const path = config.settings.service_scopes[requirement.service]
    ? 'service_scopes'
    : 'service_tokens'
  return broken(
    link,
    'service_scope_astray',
    config.placeOf('settings', [path, requirement.service]),
    {
      found: `${quote(astray)}, which ${astray.length > 1 ? 'do' : 'does'} not lead to "${requirement.audience}" for this login`,
      expected: `of ${usable.join(', ')}`,
      mend: `set ${path}.${requirement.service} to ${usable.at(-1)}`,
    },
  )
}

const judgeAllowedAudiences: Judge = (config, route) => {
  const link = 'allowed_audiences'
  const requirement = bridgedRequirement(config, route)
  if (typeof requirement === 'string') return unknown(link, requirement)
  const id = config.settings.auth.client_id
  const client = config.idp?.clients[id]
  if (client === undefined) return unknown(link, config.idp === undefined ? NO_IDP_FILES : EARLIER)
  const { audience } = requirement
  if (client.allowed_audiences.includes(audience))
    return holds(link, `${id} may ask for ${audience}`)
  const index = client.allowed_audiences.findIndex((a) => nearMiss(a, audience))
  const near = client.allowed_audiences[index]
  return broken(
    link,
    'audience_not_allowed',
    config.placeOf('idp_clients', [
      ...[id, 'allowed_audiences'],
      ...(near === undefined ? [] : [index]),
    ]),
    {
      found:
        near === undefined
          ? `${id}.allowed_audiences without "${audience}"`
          : `"${near}"; ${nearMiss(near, audience)}`,
      expected: `"${audience}", exactly`,
      mend: `add "${audience}" to ${id}.allowed_audiences`,
    },
  )
}

export const LINKS: readonly Judge[] = [
  judgeTargetService,
  judgeServiceAudience,
  judgeClient,
  judgeClientScopes,
  judgeScopeMapping,
  judgeLoginScope,
  judgeServiceScopes,
  judgeAllowedAudiences,
]

const quote = (words: readonly string[]) => words.map((word) => `"${word}"`).join(', ')

const loginScopes = (config: BridgeConfig) => config.settings.auth.oauth_scopes.split(' ')

/** The scopes from which a service's token is reached: the login's, or the client's own. */
function baseScopes(config: BridgeConfig, mint: string): readonly string[] {
  if (mint !== 'client_credentials') return loginScopes(config)
  return config.idp?.clients[config.settings.auth.client_id]?.scopes ?? []
}

function bridgedRequirement(config: BridgeConfig, route: CompiledRoute) {
  if (!bridged(route)) return NO_TOKEN
  return requirementOf(config.settings, route.route.target_service) ?? EARLIER
}
