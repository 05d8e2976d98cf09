import { closeOnSignal, refuseStart } from '@audience-bridge/kit/lifecycle.ts'
import { createLog } from '@audience-bridge/kit/log.ts'
import { loadConfig } from './config/config.ts'
import { buildIdp } from './server.ts'

const log = createLog('idp', process.env.LOG_LEVEL ?? 'info')

const idp = await loadConfig(process.env.BRIDGE_CONFIG ?? 'ServiceConfigs', process.env)
  .then(async (config) => ({ ...(await buildIdp({ ...config, log })), ...config }))
  .catch((error: unknown) => refuseStart(error instanceof Error ? error.message : String(error)))

const { host, port } = idp.settings.server
idp.server.once('error', (error: NodeJS.ErrnoException) => {
  const reason = error.code === 'EADDRINUSE' ? 'the port is taken' : error.message
  refuseStart(`the IdP cannot listen on ${host}:${port}: ${reason}`)
})
idp.server.listen(port, host, () => {
  log.info({ origin: new URL(idp.issuer).origin, issuer: idp.issuer }, 'listening')
})
closeOnSignal(log, idp.close)
