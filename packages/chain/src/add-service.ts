import type { MintMethod } from './bff-settings.ts'
import type { BridgeConfig } from './bridge-config.ts'
import { patchOf } from './judge.ts'
import type { Edit, Patch, YamlValue } from './patch.ts'
import { mapScopes } from './scope-choice.ts'

/** A service that does not exist yet. */
export interface NewService {
  name: string
  baseUrl: string
  audience: string
  scopes: readonly string[]
  /** Pattern of its route. */
  path: string
  upstreamPath?: string | undefined
  methods?: readonly string[] | undefined
  mint?: MintMethod | undefined
}

/**
 * Every change of every file after which the service is bridged: its route and its entry in the maps
 * at the BFF; at the IdP a mapping of its scopes to its audience, these scopes among what the login's
 * widest scope implies, and the client's leave to ask for the audience.
 */
export function addServicePatches(config: BridgeConfig, service: NewService): Patch[] {
  const { name, audience, scopes, mint } = service
  const settings: Edit[] = [
    { op: 'set', path: ['service_audiences', name], value: audience },
    { op: 'set', path: ['service_scopes', name], value: scopes.join(' ') },
    ...(mint === undefined || mint === 'token_exchange'
      ? []
      : [{ op: 'set', path: ['service_mint', name], value: mint } as const]),
  ]
  return [
    patchOf(config, 'routes', [
      { op: 'set', path: ['services', name, 'base_url'], value: service.baseUrl },
      { op: 'append', path: ['routes'], value: routeOf(config, service) },
    ]),
    patchOf(config, 'settings', settings),
    ...idpPatches(config, service),
  ]
}

function routeOf({ routes }: BridgeConfig, service: NewService): YamlValue {
  const { name, path, upstreamPath, methods } = service
  return {
    id: freeId(`api-${name.replace(/_service$/, '').replaceAll('_', '-')}`, routes.routes),
    path,
    target_service: name,
    ...(upstreamPath === undefined ? {} : { upstream_path: upstreamPath }),
    ...(methods === undefined ? {} : { methods }),
    auth: 'session',
  }
}

function freeId(id: string, routes: readonly { id: string }[]): string {
  const taken = new Set(routes.map((route) => route.id))
  let free = id
  for (let n = 2; taken.has(free); n++) free = `${id}-${n}`
  return free
}

function idpPatches(config: BridgeConfig, { audience, scopes, mint }: NewService): Patch[] {
  const idp = config.idpIndex
  if (idp === undefined) return []
  const { client_id: id, oauth_scopes: asked } = config.settings.auth
  const base = mint === 'client_credentials' ? (idp.client?.scopes ?? []) : asked.split(' ')
  const mappings = mapScopes(idp, base, scopes, audience)
  const isAllowed = idp.client === undefined || idp.allowedAudiences.has(audience)
  return [
    ...(mappings.length === 0 ? [] : [patchOf(config, 'idp_settings', mappings)]),
    ...(isAllowed
      ? []
      : [
          patchOf(config, 'idp_clients', [
            { op: 'append', path: [id, 'allowed_audiences'], value: audience },
          ]),
        ]),
  ]
}
