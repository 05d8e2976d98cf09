import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { analyticsSettingsSchema } from '@audience-bridge/chain/analytics-settings.ts'
import {
  type BridgeConfig,
  type BridgeSources,
  readBridgeConfig,
} from '@audience-bridge/chain/bridge-config.ts'
import { crudSettingsSchema } from '@audience-bridge/chain/crud-settings.ts'
import { readDocument, type SourceFile } from '@audience-bridge/chain/document.ts'
import { type Fault, formatFaults } from '@audience-bridge/chain/fault.ts'
import { sourceNames } from '@audience-bridge/chain/source-names.ts'
import type { Environment } from '@audience-bridge/chain/variables.ts'
import { CouldNotRun } from '../outcome.ts'

/** Every configuration file that concerns the bridge, as texts; findings and patches name them so. */
export interface ConfigSources extends BridgeSources {
  /** Settings of our own services, whose every key is known; absent where there are none. */
  analytics?: SourceFile
  crud?: SourceFile
}

/** Reads a file's text, or undefined when it is not there. */
export type ReadText = (file: string) => string | undefined

/** Everything read: what `check` judges. */
export interface ReadConfig {
  sources: ConfigSources
  config: BridgeConfig | undefined
  /** Of all files, ours and others'. */
  faults: Fault[]
}

/**
 * The files below `directory`, and those that the BFF's settings name. Only the BFF's own must be
 * there: what cannot be read is not judged.
 *
 * @throws CouldNotRun without `BFF/config/routes.yaml` and `BFF/config/settings.yaml`.
 */
export function readSources(
  directory: string,
  env: Environment,
  read: ReadText = readHere,
): ConfigSources {
  const source = (file: string): SourceFile | undefined => {
    const text = read(file)
    return text === undefined ? undefined : { file: shortName(file), text }
  }
  const needed = (file: string): SourceFile => {
    const found = source(file)
    if (found !== undefined) return found
    throw new CouldNotRun(
      `cannot read ${file}; --config names the directory that holds BFF/config and its siblings`,
    )
  }
  const settingsFile = join(directory, 'BFF/config/settings.yaml')
  const routes = needed(join(directory, 'BFF/config/routes.yaml'))
  const settings = needed(settingsFile)
  const idps = source(join(directory, 'BFF/config/idps.yaml'))
  const names = sourceNames(settings, env)
  const beside = (path: string) => join(dirname(settingsFile), path)

  const idpDirectory =
    names.idpDirectory === undefined ? join(directory, 'IdP/config') : beside(names.idpDirectory)
  const idpSettings = source(join(idpDirectory, 'settings.yaml'))
  const idpClients = source(join(idpDirectory, 'clients.yaml'))
  const analytics = source(join(directory, 'Analytics/config/settings.yaml'))
  const crud = source(join(directory, 'CRUD/config/settings.yaml'))
  return {
    routes,
    settings,
    ...(idps && { idps }),
    ...(idpSettings && idpClients && { idp: { settings: idpSettings, clients: idpClients } }),
    backends: Object.fromEntries(
      Object.entries(names.backends).flatMap(([service, path]) => {
        const found = source(beside(path))
        return found === undefined ? [] : [[service, found]]
      }),
    ),
    ...(analytics && { analytics }),
    ...(crud && { crud }),
  }
}

/** Reads what the texts say; with the strict schemas of our own services. */
export function readConfig(sources: ConfigSources, env: Environment): ReadConfig {
  const { config, faults } = readBridgeConfig(sources, env)
  const own = [
    ...(sources.analytics
      ? readDocument(sources.analytics, analyticsSettingsSchema, env).faults
      : []),
    ...(sources.crud ? readDocument(sources.crud, crudSettingsSchema, env).faults : []),
  ]
  return { sources, config, faults: [...faults, ...own] }
}

/** @throws CouldNotRun when the BFF's own files are malformed. */
export function soundConfig({ config, faults }: ReadConfig): BridgeConfig {
  if (config !== undefined) return config
  throw new CouldNotRun(`the configuration is malformed:\n${formatFaults(faults)}`)
}

/** All texts, each file once. */
export function textsOf(sources: ConfigSources): Map<string, string> {
  const { routes, settings, idps, idp, backends, analytics, crud } = sources
  const all = [
    routes,
    settings,
    ...(idps ? [idps] : []),
    ...(idp ? [idp.settings, idp.clients] : []),
    ...Object.values(backends ?? {}),
    ...(analytics ? [analytics] : []),
    ...(crud ? [crud] : []),
  ]
  return new Map(all.map(({ file, text }) => [file, text]))
}

/** The same files with other texts. */
export function withTexts(
  sources: ConfigSources,
  texts: ReadonlyMap<string, string>,
): ConfigSources {
  const change = ({ file, text }: SourceFile): SourceFile => ({
    file,
    text: texts.get(file) ?? text,
  })
  const { routes, settings, idps, idp, backends, analytics, crud } = sources
  return {
    routes: change(routes),
    settings: change(settings),
    ...(idps && { idps: change(idps) }),
    ...(idp && { idp: { settings: change(idp.settings), clients: change(idp.clients) } }),
    backends: Object.fromEntries(
      Object.entries(backends ?? {}).map(([service, source]) => [service, change(source)]),
    ),
    ...(analytics && { analytics: change(analytics) }),
    ...(crud && { crud: change(crud) }),
  }
}

function readHere(file: string): string | undefined {
  if (!existsSync(file)) return undefined
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new CouldNotRun(`cannot read ${file} (${(cause as NodeJS.ErrnoException).code})`)
  }
}

/** As one would type it here: relative below the working directory, absolute elsewhere. */
function shortName(file: string): string {
  const near = relative('', resolve(file))
  return near.startsWith('..') ? resolve(file) : near.split(sep).join('/')
}
