import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CrudSettings, crudSettingsSchema } from '@audience-bridge/chain/crud-settings.ts'
import { readDocument } from '@audience-bridge/chain/document.ts'
import { formatFaults } from '@audience-bridge/chain/fault.ts'
import { closeOnSignal, refuseStart } from '@audience-bridge/kit/lifecycle.ts'
import { createLog } from '@audience-bridge/kit/log.ts'
import { readSecret } from '@audience-bridge/kit/secret.ts'
import { clientCredentialsToken } from '@audience-bridge/outbox/client-credentials.ts'
import { createOutbox } from '@audience-bridge/outbox/outbox.ts'
import { SOURCE } from './reporter.ts'
import { buildCrud } from './server.ts'

/** The scope that analytics asks for at its events endpoint. */
const EVENTS_SCOPE = 'api.write'

function readSettings(): CrudSettings {
  const file = join(process.env.BRIDGE_CONFIG ?? 'ServiceConfigs', 'CRUD/config/settings.yaml')
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return refuseStart(`cannot read ${file}; set BRIDGE_CONFIG to the configuration's directory`)
  }
  const { value, faults } = readDocument({ file, text }, crudSettingsSchema, process.env)
  return value ?? refuseStart(formatFaults(faults))
}

async function start(): Promise<void> {
  const { server, auth, store, events } = readSettings()
  const log = createLog('crud', process.env.LOG_LEVEL)
  const outbox = createOutbox({
    path: events.queue,
    url: events.url,
    source: SOURCE,
    token: clientCredentialsToken({
      issuer: auth.issuer,
      clientId: events.client_id,
      clientSecret: readSecret(events.client_secret),
      audience: events.audience,
      scope: EVENTS_SCOPE,
    }),
    log,
  })
  const app = buildCrud({ auth, path: store.path, outbox, log })
  const origin = await app.listen({ host: server.host, port: server.port })
  log.info({ origin }, 'listening')
  closeOnSignal(log, async () => {
    await app.close()
    await outbox.close()
  })
}

try {
  await start()
} catch (cause) {
  const taken = cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE'
  const text = cause instanceof Error ? cause.message : String(cause)
  refuseStart(
    taken ? `crud: the port is taken (${text}); set CRUD_PORT to a free one` : `crud: ${text}`,
  )
}
