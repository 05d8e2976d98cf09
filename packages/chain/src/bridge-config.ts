import { type BffRoutes, bffRoutesSchema, type Route } from './bff-routes.ts'
import { type BffSettings, bffSettingsSchema } from './bff-settings.ts'
import { type ConfigDocument, type KeyPath, readDocument, type SourceFile } from './document.ts'
import type { Fault, Place } from './fault.ts'
import { type IdpClients, idpClientsSchema } from './idp-clients.ts'
import { type IdpSettings, idpSettingsSchema } from './idp-settings.ts'
import { nearest } from './nearest.ts'
import { overlapsReserved, type RoutePattern, readPattern } from './route-path.ts'
import { buildRouteTable, type CompiledRoute, type RouteTable } from './route-table.ts'
import type { Environment } from './variables.ts'

/** The texts of the files; the IdP's only where they may be read. */
export interface BridgeSources {
  routes: SourceFile
  settings: SourceFile
  idp?: { settings: SourceFile; clients: SourceFile }
}

/** Everything the BFF knows, read and checked; the ground on which chains are judged. */
export interface BridgeConfig {
  routes: BffRoutes
  settings: BffSettings
  idp: { settings: IdpSettings; clients: IdpClients } | undefined
  compiled: readonly CompiledRoute[]
  table: RouteTable
  placeOf(file: 'routes' | 'settings' | 'idp_settings' | 'idp_clients', path: KeyPath): Place
}

/**
 * Reads the files. `config` is undefined exactly when the BFF's own files have a fault. A fault in the
 * IdP's files is reported too, but it is the IdP's to refuse: here it only makes its links unknown.
 */
export function readBridgeConfig(
  sources: BridgeSources,
  env: Environment,
): { config: BridgeConfig | undefined; faults: Fault[] } {
  const routes = readDocument(sources.routes, bffRoutesSchema, env)
  const settings = readDocument(sources.settings, bffSettingsSchema, env)
  const idpSettings = sources.idp && readDocument(sources.idp.settings, idpSettingsSchema, env)
  const idpClients = sources.idp && readDocument(sources.idp.clients, idpClientsSchema, env)

  const compiled = routes.value === undefined ? undefined : compileRoutes(routes.value, routes)
  const own = [
    ...routes.faults,
    ...settings.faults,
    ...(compiled?.faults ?? []),
    ...(settings.value === undefined ? [] : settingsFaults(settings.value, settings)),
  ]
  const faults = [...own, ...(idpSettings?.faults ?? []), ...(idpClients?.faults ?? [])]
  if (own.length > 0 || !routes.value || !settings.value || !compiled) {
    return { config: undefined, faults }
  }
  const documents = { routes, settings, idp_settings: idpSettings, idp_clients: idpClients }
  return {
    config: {
      routes: routes.value,
      settings: settings.value,
      idp:
        idpSettings?.value && idpClients?.value
          ? { settings: idpSettings.value, clients: idpClients.value }
          : undefined,
      compiled: compiled.routes,
      table: compiled.table,
      placeOf: (file, path) => (documents[file] ?? settings).placeOf(path),
    },
    faults,
  }
}

function compileRoutes(
  file: BffRoutes,
  document: ConfigDocument<BffRoutes>,
): { routes: CompiledRoute[]; table: RouteTable; faults: Fault[] } {
  const faults: Fault[] = []
  const fault = (code: string, path: KeyPath, found: string, expected: string, mend: string) =>
    faults.push({
      kind: 'malformed',
      code,
      at: document.placeOf(path),
      key: path.join('.'),
      found,
      expected,
      mend,
    })

  const firstById = new Map<string, number>()
  const routes: CompiledRoute[] = []
  for (const [index, route] of file.routes.entries()) {
    const first = firstById.get(route.id)
    if (first === undefined) firstById.set(route.id, index)
    else {
      const at = document.placeOf(['routes', first, 'id'])
      fault(
        'duplicate_id',
        ['routes', index, 'id'],
        `the id "${route.id}" of line ${at.line} again`,
        'each id once',
        `rename one of the two routes "${route.id}"`,
      )
    }
    const read = readPattern(route.path)
    if (read.kind === 'refused') {
      fault(
        'invalid_path',
        ['routes', index, 'path'],
        `"${route.path}"`,
        read.reason,
        'change the path',
      )
      continue
    }
    const reserved = overlapsReserved(read.pattern)
    if (reserved !== undefined) {
      fault(
        'reserved_path',
        ['routes', index, 'path'],
        `"${route.path}", which overlaps ${reserved}`,
        'paths that the BFF does not serve itself',
        `choose a path that does not match ${reserved} or anything below it`,
      )
    }
    if (route.preserve_path && route.upstream_path !== undefined) {
      fault(
        'conflicting_keys',
        ['routes', index, 'preserve_path'],
        'preserve_path and upstream_path',
        'one of the two',
        'delete preserve_path or upstream_path',
      )
    }
    const upstream = compileUpstream(route, read.pattern)
    if (typeof upstream === 'string') {
      fault(
        'unknown_capture',
        ['routes', index, 'upstream_path'],
        `{${upstream}}`,
        `a name that "${route.path}" captures`,
        `did you mean {${nearest(upstream, captureNames(read.pattern)) ?? captureNames(read.pattern)[0] ?? 'path'}}?`,
      )
      continue
    }
    routes.push({ route, pattern: read.pattern, index, upstream })
  }

  const { table, conflicts } = buildRouteTable(routes)
  for (const { kind, route, other } of conflicts) {
    const at = document.placeOf(['routes', other.index, 'path'])
    fault(
      kind === 'shadowed' ? 'route_shadowed' : 'route_ambiguous',
      ['routes', route.index, 'path'],
      kind === 'shadowed'
        ? `the route "${route.route.id}", which matches the same paths and methods as "${other.route.id}" (line ${at.line})`
        : `the route "${route.route.id}", which crosses "${other.route.id}" (line ${at.line}): some paths match both and neither is more specific`,
      'at most one route for each path and method',
      kind === 'shadowed'
        ? `delete "${route.route.id}" or "${other.route.id}", or give them different methods`
        : `narrow "${route.route.path}" or "${other.route.path}" so that one lies within the other`,
    )
  }
  return { routes, table, faults }
}

function captureNames(pattern: RoutePattern): string[] {
  return pattern.segments.flatMap((segment) =>
    segment.kind === 'param' ? [segment.name] : segment.kind === 'rest' ? ['path'] : [],
  )
}

/** The compiled upstream path, or the name of a capture that the pattern does not have. */
function compileUpstream(route: Route, pattern: RoutePattern): (string | number)[] | string {
  const names = captureNames(pattern)
  const template = route.upstream_path ?? route.path.replace(/\*$/, '{path}')
  const parts: (string | number)[] = []
  for (const [i, part] of template.split(/\{([^}]*)\}/).entries()) {
    if (i % 2 === 0) parts.push(part)
    else {
      const number = names.indexOf(part)
      if (number === -1) return part
      parts.push(number)
    }
  }
  return parts
}

/** Host names on which plain http stays on the machine. */
export const LOCAL_HOSTS: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

/** Faults of settings.yaml that lie between its keys. */
function settingsFaults(settings: BffSettings, document: ConfigDocument<BffSettings>): Fault[] {
  const faults: Fault[] = []
  const fault = (code: string, path: KeyPath, found: string, expected: string, mend: string) =>
    faults.push({
      kind: 'malformed',
      code,
      at: document.placeOf(path),
      key: path.join('.'),
      found,
      expected,
      mend,
    })

  const {
    cookie_name: name,
    cookie_domain: domain,
    idle_seconds,
    absolute_seconds,
  } = settings.session
  if (domain !== undefined && name?.startsWith('__Host-')) {
    fault(
      'cookie_prefix',
      ['session', 'cookie_name'],
      `"${name}" with cookie_domain "${domain}"`,
      'no __Host- prefix: browsers refuse it on a cookie with a Domain',
      'delete cookie_name (it becomes bff_session) or delete cookie_domain',
    )
  }
  if (idle_seconds > absolute_seconds) {
    fault(
      'invalid_value',
      ['session', 'idle_seconds'],
      `${idle_seconds}`,
      `at most absolute_seconds (${absolute_seconds})`,
      'lower idle_seconds or raise absolute_seconds',
    )
  }
  const issuer = new URL(settings.auth.issuer)
  if (issuer.protocol === 'http:' && !LOCAL_HOSTS.has(issuer.hostname)) {
    fault(
      'insecure_issuer',
      ['auth', 'issuer'],
      `"${settings.auth.issuer}", plain http on another host`,
      'https: tokens and the client secret would travel in the clear',
      'serve the IdP over https',
    )
  }
  for (const [service, v1] of Object.entries(settings.service_tokens ?? {})) {
    const audience = settings.service_audiences[service]
    if (audience !== undefined && audience !== v1.audience) {
      fault(
        'conflicting_audience',
        ['service_tokens', service, 'audience'],
        `"${v1.audience}" (V1) and "${audience}" in service_audiences (V2)`,
        'one audience for a service',
        `delete service_tokens.${service}`,
      )
    }
    const scopes = settings.service_scopes[service]
    if (
      scopes !== undefined &&
      [...scopes.scopes].sort().join(' ') !== [...v1.scopes].sort().join(' ')
    ) {
      fault(
        'conflicting_scopes',
        ['service_tokens', service, 'scopes'],
        `"${v1.scopes.join(' ')}" (V1) and "${scopes.scopes.join(' ')}" in service_scopes (V2)`,
        'one set of scopes for a service',
        `delete service_tokens.${service}`,
      )
    }
  }
  return faults
}
