import { join } from 'node:path'
import { type IdpClients, idpClientsSchema } from '@audience-bridge/chain/idp-clients.ts'
import { type IdpSettings, idpSettingsSchema } from '@audience-bridge/chain/idp-settings.ts'
import { readSettings } from '@audience-bridge/chain/settings-file.ts'
import type { Environment } from '@audience-bridge/chain/variables.ts'
import { secretPath } from '@audience-bridge/kit/secret.ts'
import { readText } from '@audience-bridge/kit/text-file.ts'
import { registerClients } from '../clients.ts'

export interface IdpConfig {
  settings: IdpSettings
  clients: IdpClients
}

export interface ConfigReading {
  /** Undefined exactly when there is a fault. */
  config: IdpConfig | undefined
  /** Of both files and of the secrets, one line each. */
  faults: string[]
  /** Every file that the configuration comes from, the clients' secrets included. */
  files: string[]
}

/** What a running IdP cannot take over: it listens there, and has those files open. */
const FIXED = ['server', 'store', 'accounts']

/**
 * The IdP's two files below `dir`: `IdP/config/settings.yaml` and `IdP/config/clients.yaml`.
 *
 * @param inForce of a running IdP: then a change of what needs a restart is a fault.
 */
export function readConfig(dir: string, env: Environment, inForce?: IdpSettings): ConfigReading {
  const source = (name: string) => {
    const file = join(dir, 'IdP', 'config', name)
    return { file, text: readText(file) }
  }
  const sources = { settings: source('settings.yaml'), clients: source('clients.yaml') }
  const running = inForce && { inForce, fixed: FIXED }
  const settings = readSettings(sources.settings, idpSettingsSchema, env, running)
  const clients = readSettings(sources.clients, idpClientsSchema, env)
  const faults = [...settings.faults, ...clients.faults]
  if (clients.value !== undefined) {
    const mappings = settings.value?.token.audience_mappings.scope_mappings ?? []
    const { tls } = settings.value?.server ?? {}
    faults.push(...registerClients(clients.value, mappings, tls).faults)
  }
  return {
    config:
      faults.length > 0 || settings.value === undefined || clients.value === undefined
        ? undefined
        : { settings: settings.value, clients: clients.value },
    faults,
    files: [
      ...[sources.settings.file, sources.clients.file],
      ...secretFiles(settings.value, clients.value ?? {}),
    ],
  }
}

function secretFiles(settings: IdpSettings | undefined, clients: IdpClients): string[] {
  const ofClients = Object.values(clients).map(({ enabled, client_secret: secret }) =>
    enabled ? secret : undefined,
  )
  return [settings?.admin?.token, ...ofClients].flatMap((secret) => {
    const path = secret === undefined ? undefined : secretPath(secret)
    return path === undefined ? [] : [path]
  })
}
