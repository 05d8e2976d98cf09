import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BffConfig, readBffConfig } from '@audience-bridge/bff/config.ts'
import { readDocument, type SourceFile } from '@audience-bridge/chain/document.ts'
import { formatFaults } from '@audience-bridge/chain/fault.ts'
import { idpClientsSchema } from '@audience-bridge/chain/idp-clients.ts'
import { idpSettingsSchema } from '@audience-bridge/chain/idp-settings.ts'
import { readSecret } from '@audience-bridge/kit/secret.ts'
import type { GatewayOptions } from './gateway.ts'

export function readGatewayConfig(
  directory: string,
  env: Record<string, string>,
  {
    upstreams = {},
    withoutIdpFiles = false,
  }: Pick<GatewayOptions, 'upstreams' | 'withoutIdpFiles'>,
): BffConfig {
  const read = (name: string) => ({ file: name, text: readFileSync(join(directory, name), 'utf8') })
  const { config, faults } = readBffConfig(
    {
      routes: read('BFF/config/routes.yaml'),
      settings: read('BFF/config/settings.yaml'),
      ...(existsSync(join(directory, 'BFF/config/idps.yaml'))
        ? { idps: read('BFF/config/idps.yaml') }
        : {}),
      ...(withoutIdpFiles ? {} : { idp: readIdpFiles(read) }),
    },
    env,
    readSecret,
  )
  if (config === undefined) throw new Error(formatFaults(faults))
  const bases = new Map(config.bases)
  for (const [service, url] of Object.entries(upstreams)) bases.set(service, new URL(url))
  return { ...config, bases }
}

const readIdpFiles = (read: (name: string) => SourceFile) => ({
  settings: read('IdP/config/settings.yaml'),
  clients: read('IdP/config/clients.yaml'),
})

export function readIdpConfig(directory: string, env: Record<string, string>) {
  const read = (name: string) => {
    const file = join(directory, 'IdP/config', name)
    return { file, text: readFileSync(file, 'utf8') }
  }
  const settings = readDocument(read('settings.yaml'), idpSettingsSchema, env)
  const clients = readDocument(read('clients.yaml'), idpClientsSchema, env)
  if (!settings.value || !clients.value) {
    throw new Error(formatFaults([...settings.faults, ...clients.faults]))
  }
  return { settings: settings.value, clients: clients.value }
}
