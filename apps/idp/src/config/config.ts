import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ConfigDocument, readDocument } from '@audience-bridge/chain/document.ts'
import { formatFaults } from '@audience-bridge/chain/fault.ts'
import { type IdpClients, idpClientsSchema } from '@audience-bridge/chain/idp-clients.ts'
import { type IdpSettings, idpSettingsSchema } from '@audience-bridge/chain/idp-settings.ts'
import { restartFaults } from '@audience-bridge/chain/restart.ts'
import type { Environment } from '@audience-bridge/chain/variables.ts'
import { secretPath } from '@audience-bridge/kit/secret.ts'
import type { z } from 'zod'
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
  const [settingsFile, clientsFile] = ['settings.yaml', 'clients.yaml'].map((name) =>
    join(dir, 'IdP', 'config', name),
  ) as [string, string]
  const settings = readYaml(settingsFile, idpSettingsSchema, env)
  const clients = readYaml(clientsFile, idpClientsSchema, env)
  const faults = [...settings.faults, ...clients.faults]
  const wanted = settings.document?.value
  if (settings.document !== undefined && wanted !== undefined && inForce !== undefined) {
    faults.push(...lines(restartFaults(settings.document, inForce, wanted, FIXED)))
  }
  const listed = clients.document?.value
  if (listed !== undefined) {
    const mappings = wanted?.token.audience_mappings.scope_mappings ?? []
    faults.push(...registerClients(listed, mappings).faults)
  }
  return {
    config:
      faults.length > 0 || wanted === undefined || listed === undefined
        ? undefined
        : { settings: wanted, clients: listed },
    faults,
    files: [settingsFile, clientsFile, ...secretFiles(listed ?? {})],
  }
}

function readYaml<T>(
  file: string,
  schema: z.ZodType<T>,
  env: Environment,
): { document?: ConfigDocument<T>; faults: string[] } {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return { faults: [`cannot read ${file}`] }
  }
  const document = readDocument({ file, text }, schema, env)
  return { document, faults: lines(document.faults) }
}

function secretFiles(clients: IdpClients): string[] {
  return Object.values(clients).flatMap(({ enabled, client_secret: secret }) => {
    const path = enabled && secret !== undefined ? secretPath(secret) : undefined
    return path === undefined ? [] : [path]
  })
}

const lines = (faults: Parameters<typeof formatFaults>[0]) =>
  faults.length === 0 ? [] : formatFaults(faults).split('\n')
