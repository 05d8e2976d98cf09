import { join, resolve } from 'node:path'
import { EVENTS_SCOPE } from '@audience-bridge/chain/events-scope.ts'
import { systemClock } from '@audience-bridge/kit/clock.ts'
import { closeOnSignal, onHangup, refuseStart } from '@audience-bridge/kit/lifecycle.ts'
import { createLive } from '@audience-bridge/kit/live.ts'
import { createLog } from '@audience-bridge/kit/log.ts'
import { keptToken } from '@audience-bridge/outbox/kept-token.ts'
import { createOutbox, type Outbox } from '@audience-bridge/outbox/outbox.ts'
import type { BffConfig } from './config.ts'
import { openConfigFiles, restartReasons } from './config-files.ts'
import { openSqliteTraces } from './explain/trace-store-sqlite.ts'
import { buildBff } from './server.ts'
import { openSessionStore, readStoreKeys, storeDirectory } from './session-store.ts'
import type { Idp } from './tokens/idp.ts'

const env = process.env
const log = createLog('ms-bff', env.LOG_LEVEL, { buffered: true })

/** After the last request: leases are handed back, events and traces written. */
const FLUSH_SECONDS = 10

try {
  await start()
} catch (cause) {
  refuseStart(`bff: ${cause instanceof Error ? cause.message : String(cause)}`)
}

async function start(): Promise<void> {
  const files = openConfigFiles(env.BRIDGE_CONFIG ?? 'ServiceConfigs', env)
  const { value: first, faults } = files.read()
  if (first === undefined) throw new Error(`the configuration is malformed:\n${faults.join('\n')}`)
  for (const line of [...faults, ...first.warnings]) log.warn(line)
  const live = createLive<BffConfig>({
    first: { value: first, faults },
    read: () => {
      const reading = files.read()
      if (reading.value === undefined) return reading
      const restart = restartReasons(first, reading.value)
      return restart.length > 0 ? { value: undefined, faults: restart } : reading
    },
    paths: files.paths,
    log,
  })
  const { settings } = first.bridge
  const directory = storeDirectory(settings.store)
  const bff = await buildBff({
    config: live.current,
    live,
    store: openSessionStore(settings.store, log),
    storeKeys: readStoreKeys(settings.store),
    traces: openSqliteTraces(join(directory, 'traces.sqlite'), log),
    openOutbox: (idp) => openOutbox(first, live.current, idp),
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
    const origins = first.frontends.all.map(({ publicUrl }) => publicUrl.origin)
    log.info({ origin: origins[0], origins, config_version: first.version }, 'listening')
  })
  onHangup(() => void live.reload())
  closeOnSignal(
    log,
    async () => {
      live.close()
      await bff.close()
    },
    () => live.current().bridge.settings.server.drain_seconds + FLUSH_SECONDS,
  )
}

function openOutbox(
  first: BffConfig,
  current: () => BffConfig,
  idp: () => Idp,
): Outbox | undefined {
  const { settings, routes } = first.bridge
  if (settings.events === undefined) return undefined
  const { queue, service } = settings.events
  const base = routes.services[service]?.base_url
  if (base === undefined || !first.requirements.has(service)) {
    log.warn({ service }, `events go nowhere: ${service} has no base_url or no audience`)
    return undefined
  }
  // The BFF's own token for its events, under the configuration of now.
  const token = keptToken(async () => {
    const audience = current().requirements.get(service)?.audience ?? ''
    const answer = await idp().clientCredentials(audience, EVENTS_SCOPE)
    if (answer.kind === 'ok') return answer.value
    const why = answer.kind === 'refused' ? answer.error : answer.reason
    throw new Error(`no token for the events: ${why}`)
  })
  return createOutbox({
    path: resolve(queue),
    url: `${base.replace(/\/$/, '')}/api/v1/analytics/events`,
    source: 'urn:audience-bridge:bff',
    token,
    log,
  })
}
