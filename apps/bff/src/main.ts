import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { bffSettingsSchema } from '@audience-bridge/chain/bff-settings.ts'
import type { BridgeSources } from '@audience-bridge/chain/bridge-config.ts'
import { readDocument, type SourceFile } from '@audience-bridge/chain/document.ts'
import { formatFaults, formatPlace } from '@audience-bridge/chain/fault.ts'
import { systemClock } from '@audience-bridge/kit/clock.ts'
import { closeOnSignal, refuseStart } from '@audience-bridge/kit/lifecycle.ts'
import { createLog } from '@audience-bridge/kit/log.ts'
import { readSecret } from '@audience-bridge/kit/secret.ts'
import { clientCredentialsToken } from '@audience-bridge/outbox/client-credentials.ts'
import { createOutbox, type Outbox } from '@audience-bridge/outbox/outbox.ts'
import { type BffConfig, readBffConfig } from './config.ts'
import { buildBff } from './server.ts'
import { openSqliteStore } from './session/store-sqlite.ts'
import { storeKeyFrom } from './session/ticket.ts'
import { loadUserAssertion } from './tokens/assertion.ts'

const env = process.env
const log = createLog('ms-bff', env.LOG_LEVEL, { buffered: true })

try {
  await start()
} catch (cause) {
  refuseStart(`bff: ${cause instanceof Error ? cause.message : String(cause)}`)
}

async function start(): Promise<void> {
  const directory = env.BRIDGE_CONFIG ?? 'ServiceConfigs'
  const { config, faults } = readBffConfig(readSources(directory), env)
  if (config === undefined) {
    throw new Error(`the configuration is malformed:\n${formatFaults(faults)}`)
  }
  if (faults.length > 0) {
    log.warn(`the IdP's files are malformed, its links are unknown here:\n${formatFaults(faults)}`)
  }
  warnOfBrokenLinks(config)
  const { settings } = config.bridge
  const store = openSqliteStore(resolve(settings.store.path))
  const bff = await buildBff({
    config: () => config,
    store,
    storeKey: storeKeyFrom(readSecret(settings.store.key)),
    clientSecret: readSecret(settings.auth.client_secret),
    adminToken: settings.admin && readSecret(settings.admin.token),
    assertion: await loadUserAssertion(
      join(dirname(resolve(settings.store.path)), 'user-assertion.key.json'),
      config.publicUrl.origin,
    ),
    outbox: openOutbox(config),
    consoleDirectory: resolve(import.meta.dirname, '../../console/dist'),
    clock: systemClock,
    log,
  })
  const { host, port } = settings.server
  bff.server.once('error', (cause: NodeJS.ErrnoException) => {
    refuseStart(
      cause.code === 'EADDRINUSE'
        ? `bff: port ${port} on ${host} is taken; stop its owner or set BFF_PORT`
        : `bff: cannot listen on ${host}:${port}: ${cause.message}`,
    )
  })
  bff.server.listen(port, host, () => {
    log.info({ origin: config.publicUrl.origin, config_version: config.version }, 'listening')
  })
  closeOnSignal(log, bff.close)
}

/** The IdP's files are read where settings.yaml says that they may be. */
function readSources(directory: string): BridgeSources {
  const read = (file: string): SourceFile => {
    try {
      return { file, text: readFileSync(file, 'utf8') }
    } catch (cause) {
      throw new Error(
        `cannot read ${file}; set BRIDGE_CONFIG to the directory of the configuration`,
        { cause },
      )
    }
  }
  const settings = read(join(directory, 'BFF/config/settings.yaml'))
  const sources = { routes: read(join(directory, 'BFF/config/routes.yaml')), settings }
  const idpDirectory = readDocument(settings, bffSettingsSchema, env).value?.idp_config_dir
  if (idpDirectory === undefined) return sources
  const at = join(dirname(settings.file), idpDirectory)
  if (!existsSync(at)) {
    log.info({ path: at }, "idp_config_dir is not readable here; the IdP's links stay unknown")
    return sources
  }
  return {
    ...sources,
    idp: { settings: read(join(at, 'settings.yaml')), clients: read(join(at, 'clients.yaml')) },
  }
}

/** A broken link stops its route alone: the BFF starts, and says so. */
function warnOfBrokenLinks(config: BffConfig): void {
  for (const { route, service, broken } of config.chains.values()) {
    if (broken === undefined) continue
    const at = broken.at === undefined ? '' : ` at ${formatPlace(broken.at)}`
    log.warn(
      { route_id: route, service, broken_link: broken },
      `broken link route=${route} service=${service}${at}: found ${broken.found}; expected ${broken.expected}; mend: ${broken.mend}`,
    )
  }
}

function openOutbox(config: BffConfig): Outbox | undefined {
  const { settings, routes } = config.bridge
  if (settings.events === undefined) return undefined
  const { queue, service } = settings.events
  const base = routes.services[service]?.base_url
  const audience = config.requirements.get(service)?.audience
  if (base === undefined || audience === undefined) {
    log.warn({ service }, `events go nowhere: ${service} has no base_url or no audience`)
    return undefined
  }
  return createOutbox({
    path: resolve(queue),
    url: `${base.replace(/\/$/, '')}/api/v1/analytics/events`,
    source: 'urn:audience-bridge:bff',
    token: clientCredentialsToken({
      issuer: settings.auth.issuer,
      clientId: settings.auth.client_id,
      clientSecret: readSecret(settings.auth.client_secret),
      audience,
      scope: 'api.write',
    }),
    log,
  })
}
