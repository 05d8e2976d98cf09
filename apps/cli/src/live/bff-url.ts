import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { bffSettingsSchema } from '@audience-bridge/chain/bff-settings.ts'
import { readDocument } from '@audience-bridge/chain/document.ts'
import { CouldNotRun } from '../outcome.ts'

/** Where a running BFF is and how its administrators' API is opened. */
export interface BffAccess {
  url: string
  /** Undefined: no token file was named or found. */
  token: string | undefined
}

/** Options that every verb shares which talks to a running BFF. */
export const LIVE_OPTIONS = {
  config: { type: 'string', default: 'ServiceConfigs' },
  url: { type: 'string' },
  'token-file': { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

/** @throws CouldNotRun when neither `--url` nor the configuration tells. */
export function accessFrom(
  values: { config: string; url?: string | undefined; 'token-file'?: string | undefined },
  env: NodeJS.ProcessEnv,
): BffAccess {
  const named = values['token-file']
  const settings = settingsOf(values.config, env)
  const configured = settings?.admin?.token
  const file = named ?? (configured?.startsWith('file:') ? configured.slice(5) : undefined)
  if (named !== undefined && !existsSync(named)) {
    throw new CouldNotRun(`--token-file ${named} does not exist`)
  }
  const token =
    file !== undefined && existsSync(resolve(file))
      ? readFileSync(resolve(file), 'utf8').trim()
      : undefined
  const url = values.url ?? settings?.server.public_url
  if (url === undefined || !URL.canParse(url)) {
    throw new CouldNotRun(
      'where is the BFF? Give --url, or --config DIR with a readable BFF/config/settings.yaml',
    )
  }
  return { url: new URL(url).origin, token }
}

function settingsOf(directory: string, env: NodeJS.ProcessEnv) {
  const file = join(directory, 'BFF/config/settings.yaml')
  if (!existsSync(file)) return undefined
  return readDocument({ file, text: readFileSync(file, 'utf8') }, bffSettingsSchema, env).value
}
