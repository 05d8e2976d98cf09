import { join } from 'node:path'
import { type CrudSettings, crudSettingsSchema } from '@audience-bridge/chain/crud-settings.ts'
import { readSettings } from '@audience-bridge/chain/settings-file.ts'
import { closeOnSignal, onHangup, refuseStart } from '@audience-bridge/kit/lifecycle.ts'
import { createLive, type Live, versionOf } from '@audience-bridge/kit/live.ts'
import { createLog } from '@audience-bridge/kit/log.ts'
import { readSecret, secretPath } from '@audience-bridge/kit/secret.ts'
import { readText } from '@audience-bridge/kit/text-file.ts'
import { createOutbox } from '@audience-bridge/outbox/outbox.ts'
import { type EventsToken, eventsTokenOf } from './events-token.ts'
import { SOURCE } from './reporter.ts'
import { buildCrud } from './server.ts'
import { type TokenCheck, tokenCheckOf } from './token-check.ts'

/** The scope that analytics asks for at its events endpoint. */
const EVENTS_SCOPE = 'api.write'
/** What a running service cannot take over. */
const FIXED = ['server', 'store', 'events.url', 'events.queue']

const file = join(process.env.BRIDGE_CONFIG ?? 'ServiceConfigs', 'CRUD/config/settings.yaml')
let files = [file]

function read(inForce?: CrudSettings) {
  const text = readText(file)
  const running = inForce && { inForce, fixed: FIXED }
  const reading = readSettings({ file, text }, crudSettingsSchema, process.env, running)
  const secret = reading.value && secretPath(reading.value.events.client_secret)
  if (secret !== undefined) files = [file, secret]
  return reading
}

/** What of the settings is taken over while the service runs. */
interface Followed {
  version: string
  check: TokenCheck
  eventsToken: EventsToken
}

/** @throws Error naming the secret that cannot be read. */
function follow({ auth, events }: CrudSettings, before?: Followed): Followed {
  const check = tokenCheckOf(auth, before?.check)
  const eventsToken = eventsTokenOf(
    {
      issuer: auth.issuer,
      clientId: events.client_id,
      clientSecret: readSecret(events.client_secret),
      audience: events.audience,
      scope: EVENTS_SCOPE,
    },
    before?.eventsToken,
  )
  const version = versionOf([auth, events.client_id, events.audience])
  return { version, check, eventsToken }
}

async function start(): Promise<void> {
  const { value: settings, faults } = read()
  if (settings === undefined) refuseStart(faults.join('\n'))
  const log = createLog('crud', process.env.LOG_LEVEL)
  const live: Live<Followed> = createLive<Followed>({
    first: { value: follow(settings), faults },
    read: () => {
      const { value, faults } = read(settings)
      return { value: value && follow(value, live.current()), faults }
    },
    paths: () => files,
    log,
  })
  const outbox = createOutbox({
    path: settings.events.queue,
    url: settings.events.url,
    source: SOURCE,
    token: (refused) => live.current().eventsToken.read(refused),
    log,
  })
  const app = buildCrud({
    tokenCheck: () => live.current().check,
    configStatus: live.status,
    path: settings.store.path,
    ...{ outbox, log },
  })
  const { host, port } = settings.server
  const origin = await app.listen({ host, port })
  log.info({ origin }, 'listening')
  onHangup(() => void live.reload())
  closeOnSignal(log, async () => {
    live.close()
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
