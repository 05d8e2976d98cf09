import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readDocument } from '@audience-bridge/chain/document.ts'
import { formatFaults } from '@audience-bridge/chain/fault.ts'
import { type IdpClients, idpClientsSchema } from '@audience-bridge/chain/idp-clients.ts'
import { type IdpSettings, idpSettingsSchema } from '@audience-bridge/chain/idp-settings.ts'
import type { Environment } from '@audience-bridge/chain/variables.ts'

export interface IdpConfig {
  settings: IdpSettings
  clients: IdpClients
}

/**
 * The IdP's two files below `dir` (`IdP/config/settings.yaml`, `IdP/config/clients.yaml`).
 *
 * @throws Error whose message lists every fault of both files.
 */
export async function loadConfig(dir: string, env: Environment): Promise<IdpConfig> {
  const settings = readDocument(await source(dir, 'settings.yaml'), idpSettingsSchema, env)
  const clients = readDocument(await source(dir, 'clients.yaml'), idpClientsSchema, env)
  if (settings.value === undefined || clients.value === undefined) {
    throw new Error(formatFaults([...settings.faults, ...clients.faults]))
  }
  return { settings: settings.value, clients: clients.value }
}

async function source(dir: string, name: string): Promise<{ file: string; text: string }> {
  const file = join(dir, 'IdP', 'config', name)
  try {
    return { file, text: await readFile(file, 'utf8') }
  } catch (cause) {
    throw new Error(`cannot read ${file}`, { cause })
  }
}
