import { closeOnSignal, onHangup, refuseStart } from '@audience-bridge/kit/lifecycle.ts'
import { createLog } from '@audience-bridge/kit/log.ts'
import { readConfig } from './config/config.ts'
import { buildIdp } from './server.ts'

const log = createLog('idp', process.env.LOG_LEVEL ?? 'info')
const directory = process.env.BRIDGE_CONFIG ?? 'ServiceConfigs'

const { config, faults } = readConfig(directory, process.env)
if (config === undefined) refuseStart(faults.join('\n'))

const reread = () => readConfig(directory, process.env, config.settings)
const idp = await buildIdp({ ...config, reread, log }).catch((error: unknown) =>
  refuseStart(error instanceof Error ? error.message : String(error)),
)

const { host, port } = config.settings.server
idp.server.once('error', (error: NodeJS.ErrnoException) => {
  const reason = error.code === 'EADDRINUSE' ? 'the port is taken' : error.message
  refuseStart(`the IdP cannot listen on ${host}:${port}: ${reason}`)
})
idp.server.listen(port, host, () => {
  log.info({ origin: new URL(idp.issuer).origin, issuer: idp.issuer }, 'listening')
})
onHangup(idp.reload)
closeOnSignal(log, idp.close)
