import type { BridgeConfig } from './bridge-config.ts'
import { patchOf } from './judge.ts'
import type { Edit, Patch } from './patch.ts'
import { requirementOf } from './requirement.ts'

const MAPPINGS = ['token', 'audience_mappings', 'scope_mappings'] as const

/**
 * Every change of every file after which nothing speaks of the service. At the IdP its audience goes
 * only where it is no other service's and no other client's.
 */
export function removeServicePatches(config: BridgeConfig, name: string): Patch[] {
  const routes: Edit[] = [
    ...config.routes.routes
      .flatMap(({ target_service: target }, i): Edit[] =>
        target === name ? [{ op: 'remove', path: ['routes', i] }] : [],
      )
      .reverse(),
    ...(config.routes.services[name] === undefined
      ? []
      : [{ op: 'remove', path: ['services', name] } as const]),
  ]
  const patches = [
    patchOf(config, 'routes', routes),
    patchOf(config, 'settings', settingsEdits(config, name)),
    ...idpPatches(config, name),
  ]
  return patches.filter(({ edits }) => edits.length > 0)
}

/** Whether the BFF's own settings, routes aside, or its routes speak of the service. */
export function knowsService({ routes, settings }: BridgeConfig, name: string): boolean {
  return (
    Object.hasOwn(routes.services, name) ||
    requirementOf(settings, name) !== undefined ||
    routes.routes.some((route) => route.target_service === name)
  )
}

function settingsEdits({ settings }: BridgeConfig, name: string): Edit[] {
  const edits: Edit[] = []
  for (const key of ['service_audiences', 'service_scopes'] as const) {
    if (Object.hasOwn(settings[key], name)) edits.push({ op: 'remove', path: [key, name] })
  }
  // These come and go with their only entry.
  for (const key of ['service_mint', 'service_tokens', 'backend_settings'] as const) {
    const entries = Object.keys(settings[key] ?? {})
    if (entries.includes(name))
      edits.push({ op: 'remove', path: entries.length === 1 ? [key] : [key, name] })
  }
  const eager = settings.auth.eager_services?.indexOf(name) ?? -1
  if (eager !== -1) edits.push({ op: 'remove', path: ['auth', 'eager_services', eager] })
  return edits
}

function idpPatches(config: BridgeConfig, name: string): Patch[] {
  const { settings, idp, idpIndex } = config
  const audience = requirementOf(settings, name)?.audience
  if (audience === undefined || idp === undefined || idpIndex === undefined) return []
  const others = Object.keys({ ...settings.service_audiences, ...settings.service_tokens }).filter(
    (service) => service !== name && requirementOf(settings, service)?.audience === audience,
  )
  if (others.length > 0) return []

  const id = settings.auth.client_id
  const clients: Edit[] = []
  const own = idpIndex.client?.allowed_audiences.indexOf(audience) ?? -1
  if (own !== -1) clients.push({ op: 'remove', path: [id, 'allowed_audiences', own] })
  const isShared = Object.entries(idp.clients).some(
    ([client, { allowed_audiences: allowed }]) => client !== id && allowed.includes(audience),
  )
  if (isShared) return [patchOf(config, 'idp_clients', clients)]

  const { edits, dropped } = mappingEdits(idpIndex.mappings, audience)
  for (const [client, { scopes }] of Object.entries(idp.clients)) {
    for (const [i, scope] of [...scopes.entries()].reverse()) {
      if (dropped.has(scope)) clients.push({ op: 'remove', path: [client, 'scopes', i] })
    }
  }
  const login = settings.auth.oauth_scopes.split(' ').filter((scope) => !dropped.has(scope))
  const isAsked = login.join(' ') !== settings.auth.oauth_scopes
  return [
    ...(isAsked
      ? [
          patchOf(config, 'settings', [
            { op: 'set', path: ['auth', 'oauth_scopes'], value: login.join(' ') },
          ]),
        ]
      : []),
    patchOf(config, 'idp_settings', edits),
    patchOf(config, 'idp_clients', clients),
  ]
}

/** Takes the audience out of every mapping; a mapping with nothing else goes, and its scope with it. */
function mappingEdits(
  mappings: readonly { scope: string; audiences: string[]; implies: string[] }[],
  audience: string,
): { edits: Edit[]; dropped: Set<string> } {
  const isBare = ({ audiences, implies }: { audiences: string[]; implies: string[] }) =>
    implies.length === 0 && audiences.length > 0 && audiences.every((one) => one === audience)
  const kept = new Set(mappings.filter((one) => !isBare(one)).map(({ scope }) => scope))
  const dropped = new Set(
    mappings.filter((one) => isBare(one) && !kept.has(one.scope)).map(({ scope }) => scope),
  )
  const edits: Edit[] = []
  for (const [i, mapping] of mappings.entries()) {
    if (isBare(mapping)) continue
    for (const [j, one] of [...mapping.audiences.entries()].reverse()) {
      if (one === audience) edits.push({ op: 'remove', path: [...MAPPINGS, i, 'audiences', j] })
    }
    const left = mapping.implies.filter((scope) => !dropped.has(scope))
    if (mapping.implies.length > 0 && left.length === 0) {
      edits.push({ op: 'remove', path: [...MAPPINGS, i, 'implies'] })
      continue
    }
    for (const [j, one] of [...mapping.implies.entries()].reverse()) {
      if (dropped.has(one)) edits.push({ op: 'remove', path: [...MAPPINGS, i, 'implies', j] })
    }
  }
  for (const [i, mapping] of [...mappings.entries()].reverse()) {
    if (isBare(mapping)) edits.push({ op: 'remove', path: [...MAPPINGS, i] })
  }
  return { edits, dropped }
}
