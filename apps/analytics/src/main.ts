import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import {
  type AnalyticsSettings,
  analyticsSettingsSchema,
} from '@audience-bridge/chain/analytics-settings.ts'
import { readDocument } from '@audience-bridge/chain/document.ts'
import { formatFaults } from '@audience-bridge/chain/fault.ts'
import { closeOnSignal, refuseStart } from '@audience-bridge/kit/lifecycle.ts'
import { createLog } from '@audience-bridge/kit/log.ts'
import { createTokenVerifier } from '@audience-bridge/resource-server/verifier.ts'
import type { Engine } from './engine/engine.ts'
import { openEmbedded } from './engine/engine-chdb.ts'
import { openServer } from './engine/engine-http.ts'
import { migrate } from './engine/migrate.ts'
import { REALM } from './routes/bearer.ts'
import { buildAnalytics } from './server.ts'

function readSettings(): AnalyticsSettings {
  const file = join(process.env.BRIDGE_CONFIG ?? 'ServiceConfigs', 'Analytics/config/settings.yaml')
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    refuseStart(`cannot read ${file}: ${(cause as Error).message}`)
  }
  const { value, faults } = readDocument({ file, text }, analyticsSettingsSchema, process.env)
  if (value === undefined) refuseStart(formatFaults(faults))
  return value
}

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

const settings = readSettings()
const log = createLog('analytics', process.env.LOG_LEVEL)
const engine = await openEngine(settings)
const { issuer, audience } = settings.auth
const app = buildAnalytics({
  engine,
  verifier: createTokenVerifier({ issuer, audience, realm: REALM }),
  issuer,
  audience,
  readerRoles: settings.reader_roles,
  log,
})

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
closeOnSignal(log, async () => {
  await app.close()
  await engine.close()
})
const address = app.server.address() as AddressInfo
const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address
log.info({ origin: `http://${shown}:${address.port}` }, 'listening')
