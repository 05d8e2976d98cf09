import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { BridgeSources } from '@audience-bridge/chain/bridge-config.ts'
import type { KeyPath, SourceFile } from '@audience-bridge/chain/document.ts'
import { formatFault, formatPlace } from '@audience-bridge/chain/fault.ts'
import { restartFaults } from '@audience-bridge/chain/restart.ts'
import { sourceNames } from '@audience-bridge/chain/source-names.ts'
import type { Environment } from '@audience-bridge/chain/variables.ts'
import { type Reading, versionOf } from '@audience-bridge/kit/live.ts'
import { readSecret, secretPath } from '@audience-bridge/kit/secret.ts'
import { type BffConfig, readBffConfig } from './config.ts'

/** The BFF's configuration on disk: read as a whole, again and again. */
export interface ConfigFiles {
  read(): Reading<BffConfig>
  /** Every file of the last reading, secrets included. */
  paths(): readonly string[]
}

/** @param directory holds `BFF/config/settings.yaml` and its siblings. */
export function openConfigFiles(directory: string, env: Environment): ConfigFiles {
  const settingsFile = join(directory, 'BFF/config/settings.yaml')
  const routesFile = join(directory, 'BFF/config/routes.yaml')
  const idpsFile = join(directory, 'BFF/config/idps.yaml')
  let paths: string[] = [settingsFile, routesFile, idpsFile]
  return {
    paths: () => paths,
    read() {
      const settings = readSource(settingsFile)
      const idps = existsSync(idpsFile) ? readSource(idpsFile) : undefined
      const names = sourceNames(settings, env)
      const beside = (path: string) => join(dirname(settingsFile), path)
      const idp = names.idpDirectory === undefined ? [] : idpFiles(beside(names.idpDirectory))
      const backends = Object.entries(names.backends).map(
        ([service, path]) => [service, beside(path)] as const,
      )
      // Each as it is asked for; a renewed certificate is taken over like any other change.
      const secrets = new Set<string>()
      const read = (value: string) => {
        const path = secretPath(value)
        if (path !== undefined) secrets.add(path)
        return readSecret(value)
      }
      const files = [
        settingsFile,
        routesFile,
        idpsFile,
        ...idp,
        ...backends.map(([, path]) => path),
      ]
      const others = { ...idpSources(idp), backends: backendSources(backends) }
      const own = { routes: readSource(routesFile), settings, ...(idps && { idps }) }
      try {
        return readingOf({ ...own, ...others }, env, read)
      } finally {
        // Also while it is not there: it may come.
        paths = [...files, ...secrets]
      }
    },
  }
}

function readingOf(
  sources: BridgeSources,
  env: Environment,
  read: (value: string) => string,
): Reading<BffConfig> {
  const { config, faults } = readBffConfig(sources, env, read)
  const lines = faults.map(formatFault)
  if (config === undefined) return { value: undefined, faults: lines }
  // A broken link stops its route alone: the configuration is taken, and says so.
  const broken = [...config.chains.values()].flatMap(({ route, broken: link }) => {
    if (link === undefined) return []
    const at = link.at === undefined ? '' : ` at ${formatPlace(link.at)}`
    return [
      `broken link route=${route}${at}: found ${link.found}; expected ${link.expected}. Mend: ${link.mend} [${link.code}]`,
    ]
  })
  return { value: config, faults: [...lines, ...broken] }
}

const idpFiles = (directory: string) =>
  existsSync(directory) ? [join(directory, 'settings.yaml'), join(directory, 'clients.yaml')] : []

/** The IdP's files where they can be read; where not, its links stay unknown here. */
function idpSources([settings, clients]: readonly string[]): Pick<BridgeSources, 'idp'> {
  if (settings === undefined || clients === undefined) return {}
  try {
    return { idp: { settings: readSource(settings), clients: readSource(clients) } }
  } catch {
    return {}
  }
}

/** The backends' settings that can be read; what the others expect stays unknown here. */
function backendSources(
  backends: readonly (readonly [service: string, path: string])[],
): Record<string, SourceFile> {
  return Object.fromEntries(
    backends
      .filter(([, path]) => existsSync(path))
      .map(([service, path]) => [service, readSource(path)]),
  )
}

function readSource(file: string): SourceFile {
  try {
    return { file, text: readFileSync(file, 'utf8') }
  } catch (cause) {
    throw new Error(
      `cannot read ${file}; set BRIDGE_CONFIG to the directory of the configuration`,
      { cause },
    )
  }
}

/** Keys that a running BFF cannot take over: what it listens on and has open. */
const FIXED = ['server.host', 'server.port', 'server.workers', 'store', 'events']

/** The same for configurations between which a running BFF can change. */
export function fixedVersion({ bridge: { settings } }: BffConfig): string {
  const { server, store, events } = settings
  return versionOf([server.host, server.port, server.workers, store, events ?? null])
}

/** Why this configuration needs a restart; empty when it does not. */
export function restartReasons(inForce: BffConfig, wanted: BffConfig): string[] {
  const placeOf = (path: KeyPath) => wanted.bridge.placeOf('settings', path)
  const { settings: before } = inForce.bridge
  return restartFaults({ placeOf }, before, wanted.bridge.settings, FIXED).map(formatFault)
}
