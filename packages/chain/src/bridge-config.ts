import { type BackendSettings, backendSettingsSchema } from './backend-settings.ts'
import { type BffIdps, bffIdpsSchema } from './bff-idps.ts'
import { idleLimits } from './bff-rates.ts'
import { type BffRoutes, bffRoutesSchema } from './bff-routes.ts'
import { type BffSettings, bffSettingsSchema } from './bff-settings.ts'
import { type IdpIndex, indexIdp } from './bridge-index.ts'
import { type ConfigDocument, type KeyPath, readDocument, type SourceFile } from './document.ts'
import type { Fault, Place } from './fault.ts'
import { frontendFaults } from './frontend-faults.ts'
import { type IdpClients, idpClientsSchema } from './idp-clients.ts'
import { idpFaults } from './idp-faults.ts'
import { type IdpSettings, idpSettingsSchema } from './idp-settings.ts'
import { nearest } from './nearest.ts'
import { compileRoutes } from './route-compile.ts'
import type { CompiledRoute, RouteTable } from './route-table.ts'
import { unverified } from './service-tls.ts'
import { settingsFaults } from './settings-faults.ts'
import type { Environment } from './variables.ts'

/** The texts of the files; the IdP's and the backends' only where they may be read. */
export interface BridgeSources {
  routes: SourceFile
  settings: SourceFile
  /** The identity providers besides that of the settings; absent: there are none. */
  idps?: SourceFile
  idp?: { settings: SourceFile; clients: SourceFile }
  /** Each backend's own settings, by service. */
  backends?: Readonly<Record<string, SourceFile>>
}

/** A file as places and patches name it. */
export type ConfigFile =
  | 'routes'
  | 'settings'
  | 'idps'
  | 'idp_settings'
  | 'idp_clients'
  | `backend ${string}`

/** Everything the BFF knows, read and checked; the ground on which chains are judged. */
export interface BridgeConfig {
  routes: BffRoutes
  settings: BffSettings
  /** The entries of idps.yaml. */
  idps: BffIdps['idps']
  idp: { settings: IdpSettings; clients: IdpClients } | undefined
  idpIndex: IdpIndex | undefined
  /** By service; only what could be read. */
  backends: Readonly<Record<string, BackendSettings>>
  compiled: readonly CompiledRoute[]
  table: RouteTable
  /** The name of a file, as faults and patches have it. */
  nameOf(file: ConfigFile): string
  placeOf(file: ConfigFile, path: KeyPath): Place
  /** A scalar as the file writes it, templates and all. */
  textOf(file: ConfigFile, path: KeyPath): string | undefined
  /** The service that was probably meant. */
  nearestService(name: string): string | undefined
}

/**
 * Reads the files. `config` is undefined exactly when the BFF's own files have a fault. A fault in
 * another party's file is reported too, but it is theirs to refuse: here it only makes its links
 * unknown.
 */
export function readBridgeConfig(
  sources: BridgeSources,
  env: Environment,
): { config: BridgeConfig | undefined; faults: Fault[] } {
  const routes = readDocument(sources.routes, bffRoutesSchema, env)
  const settings = readDocument(sources.settings, bffSettingsSchema, env)
  const idps = sources.idps && readDocument(sources.idps, bffIdpsSchema, env)
  const idpSettings = sources.idp && readDocument(sources.idp.settings, idpSettingsSchema, env)
  const idpClients = sources.idp && readDocument(sources.idp.clients, idpClientsSchema, env)
  const backends = Object.entries(sources.backends ?? {}).map(
    ([service, source]) => [service, readDocument(source, backendSettingsSchema, env)] as const,
  )

  const compiled = routes.value === undefined ? undefined : compileRoutes(routes.value, routes)
  const own = [
    ...routes.faults,
    ...settings.faults,
    ...(idps?.faults ?? []),
    ...(compiled?.faults ?? []),
    ...(settings.value === undefined ? [] : settingsFaults(settings.value, settings)),
    ...(idps?.value === undefined ? [] : idpFaults(idps.value, idps, settings.value)),
    // Which IdPs there are is not known while their file cannot be read.
    ...(settings.value === undefined || (idps !== undefined && idps.value === undefined)
      ? []
      : frontendFaults(settings.value, settings, idps?.value?.idps ?? [])),
  ]
  const faults = [
    ...own,
    ...(routes.value === undefined
      ? []
      : [...unverified(routes.value, routes), ...idleLimits(routes.value, routes)]),
    ...(idpSettings?.faults ?? []),
    ...(idpClients?.faults ?? []),
    ...backends.flatMap(([, backend]) => backend.faults),
  ]
  if (own.length > 0 || !routes.value || !settings.value || !compiled) {
    return { config: undefined, faults }
  }
  const idp =
    idpSettings?.value && idpClients?.value
      ? { settings: idpSettings.value, clients: idpClients.value }
      : undefined
  const services = Object.keys(routes.value.services)
  const documents = new Map<ConfigFile, ConfigDocument<unknown> | undefined>([
    ['routes', routes],
    ['settings', settings],
    ['idps', idps],
    ['idp_settings', idpSettings],
    ['idp_clients', idpClients],
    ...backends.map(([service, document]) => [`backend ${service}`, document] as const),
  ])
  return {
    config: {
      routes: routes.value,
      settings: settings.value,
      idps: idps?.value?.idps ?? [],
      idp,
      idpIndex: idp && indexIdp(settings.value, idp),
      backends: Object.fromEntries(
        backends.flatMap(([service, { value }]) => (value === undefined ? [] : [[service, value]])),
      ),
      compiled: compiled.routes,
      table: compiled.table,
      nameOf: (file) => (documents.get(file) ?? settings).file,
      placeOf: (file, path) => (documents.get(file) ?? settings).placeOf(path),
      textOf: (file, path) => documents.get(file)?.textOf(path),
      nearestService: remembered((name) => nearest(name, services)),
    },
    faults,
  }
}

/** The same question is asked by every route of a service. */
function remembered<T>(answer: (name: string) => T): (name: string) => T {
  const known = new Map<string, T>()
  return (name) => {
    const before = known.get(name)
    if (before !== undefined || known.has(name)) return before as T
    const value = answer(name)
    known.set(name, value)
    return value
  }
}
