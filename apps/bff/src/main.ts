import { join, resolve } from 'node:path'
import { systemClock } from '@audience-bridge/kit/clock.ts'
import { closeOnSignal, onHangup, refuseStart } from '@audience-bridge/kit/lifecycle.ts'
import { createLive } from '@audience-bridge/kit/live.ts'
import { createLog } from '@audience-bridge/kit/log.ts'
import type { BffConfig } from './config.ts'
import { type ConfigFiles, fixedVersion, openConfigFiles, restartReasons } from './config-files.ts'
import { openEventOutbox } from './event-outbox.ts'
import { openSqliteTraces } from './explain/trace-store-sqlite.ts'
import { buildBff } from './server.ts'
import { openSessionStore, readStoreKeys, storeDirectory } from './session-store.ts'
import { openWorkerLink, type WorkerLink } from './workers/link.ts'
import { startWorkers } from './workers/primary.ts'
import { readSlot } from './workers/slot.ts'

const env = process.env
const slot = readSlot(env)
const log = createLog('ms-bff', env.LOG_LEVEL, { buffered: true, worker: slot?.number })

/** After the last request: leases are handed back, events and traces written. */
const FLUSH_SECONDS = 10
/** What a worker may exceed its own limit by before it is killed. */
const GRACE_SECONDS = 2

try {
  await start()
} catch (cause) {
  refuseStart(`bff: ${cause instanceof Error ? cause.message : String(cause)}`)
}

async function start(): Promise<void> {
  const files = openConfigFiles(env.BRIDGE_CONFIG ?? 'ServiceConfigs', env)
  const { value: first, faults } = files.read()
  if (first === undefined) throw new Error(`the configuration is malformed:\n${faults.join('\n')}`)
  if (slot === undefined) {
    for (const line of [...faults, ...first.warnings]) log.warn(line)
    if (first.bridge.settings.server.workers > 1) return startPrimary(files, first)
  } else if (slot.fixed !== fixedVersion(first)) {
    throw new Error(
      `worker ${slot.number}: server, store or events differ from those that the other workers run with; put them back, or restart the whole`,
    )
  }
  await serve(files, first, faults)
}

/** Several workers: this process only looks after them. */
async function startPrimary(files: ConfigFiles, first: BffConfig): Promise<void> {
  const { workers: count } = first.bridge.settings.server
  const primary = await startWorkers({ count, fixed: fixedVersion(first) }, log)
  tellListening(first, { workers: count })
  onHangup(() => void primary.reload())
  const limit = () => {
    const { server } = (files.read().value ?? first).bridge.settings
    return server.drain_seconds + FLUSH_SECONDS + GRACE_SECONDS
  }
  closeOnSignal(
    log,
    () => primary.close(limit() * 1000),
    () => limit() + GRACE_SECONDS,
  )
}

/** One whole BFF: alone, or one of several workers. */
async function serve(
  files: ConfigFiles,
  first: BffConfig,
  faults: readonly string[],
): Promise<void> {
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
  const worker = { number: slot?.number ?? 1, count: slot?.count ?? 1 }
  let link: WorkerLink | undefined
  const bff = await buildBff({
    config: live.current,
    live: { status: live.status, reload: () => (link ?? live).reload() },
    metricsOfAll: slot && (() => link?.metrics()),
    store: openSessionStore(settings.store, log, { shared: worker.count > 1 }),
    storeKeys: readStoreKeys(settings.store),
    traces: openSqliteTraces(join(directory, 'traces.sqlite'), log),
    openOutbox: (idp) => openEventOutbox(first, live.current, { idp, log, worker }),
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
    if (slot === undefined) tellListening(first)
    else log.info({ config_version: first.version }, 'worker listening')
  })
  onHangup(() => void live.reload())
  const stop = closeOnSignal(
    log,
    async () => {
      live.close()
      await bff.close()
    },
    () => live.current().bridge.settings.server.drain_seconds + FLUSH_SECONDS,
    { patient: slot !== undefined },
  )
  if (slot !== undefined) {
    link = openWorkerLink({ registry: bff.registry, reload: live.reload, stop }, log)
  }
}

function tellListening(config: BffConfig, more: { workers?: number } = {}): void {
  const origins = config.frontends.all.map(({ publicUrl }) => publicUrl.origin)
  log.info({ origin: origins[0], origins, config_version: config.version, ...more }, 'listening')
}
