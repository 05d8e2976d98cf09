import { reachableScopes } from './audience-policy.ts'
import type { BridgeConfig } from './bridge-config.ts'
import { EVENTS_SCOPE } from './events-scope.ts'
import type { ScopeMapping } from './idp-settings.ts'
import type { NarrowedService } from './narrow.ts'
import type { Edit, Patch } from './patch.ts'
import { requirementOf } from './requirement.ts'
import { scopesIn } from './scope-usage.ts'

/*
 * What the evidence says of the IdP's scope mappings: audiences that a broad scope of the login leads
 * to and no call went to, and narrower scopes that it implies and nobody asks for. Advice for the IdP
 * team, which knows of users of its mappings that no gateway sees.
 */

export interface MappingAdvice {
  items: readonly MappingItem[]
  /** All items together; absent when there are none. */
  patch?: Patch
}

export interface MappingItem {
  kind: 'audience' | 'implied_scope'
  /** The scope of the login under which it stands. */
  scope: string
  value: string
  why: string
}

type Found = MappingItem & { edit: Edit }

const MAPPINGS = ['token', 'audience_mappings', 'scope_mappings'] as const

export function narrowMappings(
  config: BridgeConfig,
  services: readonly NarrowedService[],
  truncated: boolean,
): MappingAdvice {
  // What is not among the rows may still have been called.
  if (config.idp === undefined || truncated) return { items: [] }
  const mappings = config.idp.settings.token.audience_mappings.scope_mappings
  const ours = new Set(scopesIn(config.settings.auth.oauth_scopes))
  const used = usedAudiences(config, services)
  const wanted = wantedScopes(config, services)
  const found = mappings.flatMap((mapping, index): Found[] =>
    ours.has(mapping.scope)
      ? [
          ...unusedAudiences(config, mapping, index, used, services),
          ...unusedScopes(config, mapping, index, wanted),
        ]
      : [],
  )
  if (found.length === 0) return { items: [] }
  return {
    items: found.map(({ edit: _, ...item }) => item),
    patch: {
      file: config.nameOf('idp_settings'),
      // From the end: a removed item moves those behind it.
      edits: found.map(({ edit }) => edit).reverse(),
    },
  }
}

function unusedAudiences(
  config: BridgeConfig,
  { scope, audiences }: ScopeMapping,
  index: number,
  used: ReadonlySet<string>,
  services: readonly NarrowedService[],
): Found[] {
  if (audiences.length < 2) return []
  return audiences.flatMap((audience, i): Found[] => {
    const othersUse = otherClients(config, scope).some((client) =>
      client.allowed_audiences.includes(audience),
    )
    if (used.has(audience) || othersUse) return []
    const idle = services.filter((one) => one.audience === audience).map(({ service }) => service)
    return [
      {
        kind: 'audience',
        scope,
        value: audience,
        why:
          idle.length === 0
            ? 'no service has this audience'
            : `no call in the window went to ${idle.join(', ')}`,
        edit: { op: 'remove', path: [...MAPPINGS, index, 'audiences', i] },
      },
    ]
  })
}

function unusedScopes(
  config: BridgeConfig,
  { scope, implies }: ScopeMapping,
  index: number,
  wanted: ReadonlySet<string>,
): Found[] {
  if (otherClients(config, scope).length > 0) return []
  const mappings = config.idp?.settings.token.audience_mappings.scope_mappings ?? []
  return implies.flatMap((implied, i): Found[] => {
    if ([...reachableScopes(mappings, [implied])].some((one) => wanted.has(one))) return []
    return [
      {
        kind: 'implied_scope',
        scope,
        value: implied,
        why: 'no service asks for it, and no call needed it',
        edit: { op: 'remove', path: [...MAPPINGS, index, 'implies', i] },
      },
    ]
  })
}

/** The BFF sees none of their calls. */
function otherClients({ idp, settings }: BridgeConfig, scope: string) {
  const mappings = idp?.settings.token.audience_mappings.scope_mappings ?? []
  return Object.entries(idp?.clients ?? {}).flatMap(([id, client]) =>
    id !== settings.auth.client_id &&
    client.enabled &&
    reachableScopes(mappings, client.scopes).has(scope)
      ? [client]
      : [],
  )
}

function usedAudiences(
  { idp, settings }: BridgeConfig,
  services: readonly NarrowedService[],
): Set<string> {
  const used = services.filter(({ calls }) => calls.length > 0).map(({ audience }) => audience)
  const events = settings.events && requirementOf(settings, settings.events.service)
  return new Set([
    ...used,
    ...(events === undefined ? [] : [events.audience]),
    // The login's own token is for it.
    ...(idp === undefined ? [] : [idp.settings.token.default_audience]),
  ])
}

/** Every scope that a token is or would be asked for, and every one that a call needed. */
function wantedScopes(
  { settings }: BridgeConfig,
  services: readonly NarrowedService[],
): Set<string> {
  return new Set([
    ...services.flatMap(({ needed, patch, present }) =>
      patch === undefined ? [...needed, ...present] : needed,
    ),
    ...(settings.events === undefined ? [] : [EVENTS_SCOPE]),
  ])
}
