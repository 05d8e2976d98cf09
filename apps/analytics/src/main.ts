import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import {
  type AnalyticsSettings,
  analyticsSettingsSchema,
} from '@audience-bridge/chain/analytics-settings.ts'
import { readSettings } from '@audience-bridge/chain/settings-file.ts'
import { closeOnSignal, onHangup, refuseStart } from '@audience-bridge/kit/lifecycle.ts'
import { createLive, type Live } from '@audience-bridge/kit/live.ts'
import { createLog } from '@audience-bridge/kit/log.ts'
import { readText } from '@audience-bridge/kit/text-file.ts'
import { type Access, accessOf } from './access.ts'
import type { Engine } from './engine/engine.ts'
import { openEmbedded } from './engine/engine-chdb.ts'
import { openServer } from './engine/engine-http.ts'
import { migrate } from './engine/migrate.ts'
import { buildAnalytics } from './server.ts'

/** What a running service cannot take over. */
const FIXED = ['server', 'engine']
const file = join(process.env.BRIDGE_CONFIG ?? 'ServiceConfigs', 'Analytics/config/settings.yaml')
const read = (inForce?: AnalyticsSettings) =>
  readSettings(
    { file, text: readText(file) },
    analyticsSettingsSchema,
    process.env,
    inForce && { inForce, fixed: FIXED },
  )

async function openEngine({ engine }: AnalyticsSettings): Promise<Engine> {
  try {
    const { path, url } = engine
    const opened = path === undefined ? await openServer(url ?? '') : await openEmbedded(path)
    await migrate(opened)
    return opened
  } catch (cause) {
    refuseStart(cause instanceof Error ? cause.message : String(cause))
  }
}

const { value: settings, faults } = read()
if (settings === undefined) refuseStart(faults.join('\n'))
const log = createLog('analytics', process.env.LOG_LEVEL)
const engine = await openEngine(settings)
const live: Live<Access> = createLive<Access>({
  first: { value: accessOf(settings), faults },
  read: () => {
    const { value, faults } = read(settings)
    return { value: value && accessOf(value, live.current()), faults }
  },
  paths: () => [file],
  log,
})
const app = buildAnalytics({ engine, access: live.current, configStatus: live.status, log })

const { host, port } = settings.server
try {
  await app.listen({ host, port })
} catch (cause) {
  const taken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE'
  refuseStart(
    taken
      ? `the port ${port} on ${host} is taken: stop what uses it or set ANALYTICS_PORT`
      : `cannot listen on ${host}:${port}: ${(cause as Error).message}`,
  )
}
onHangup(() => void live.reload())
closeOnSignal(log, async () => {
  live.close()
  await app.close()
  await engine.close()
})
const address = app.server.address() as AddressInfo
const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address
log.info({ origin: `http://${shown}:${address.port}` }, 'listening')
