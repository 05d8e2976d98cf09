import { accessSync, constants, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ensureSecretFile } from '@audience-bridge/kit/secret.ts'
import { CouldNotRun, FAULTS_FOUND } from '../outcome.ts'

/** Where one system keeps its state. */
export interface DataPlaces {
  directory: string
  logs: string
  /** The demo's users with their passwords. */
  users: string
  adminToken: string
  demoSecret: string
}

/** Secrets that are made at the first start and kept. */
const SECRETS = ['crud-service.secret', 'demo-generator.secret', 'bff-store.key', 'admin.token']

/** Makes the data directory and its secrets; what is there stays. */
export function prepareData(directory: string): DataPlaces {
  const secrets = join(directory, 'secrets')
  const logs = join(directory, 'logs')
  try {
    for (const path of [directory, secrets, logs]) mkdirSync(path, { recursive: true, mode: 0o700 })
    accessSync(directory, constants.W_OK)
    for (const name of SECRETS) ensureSecretFile(join(secrets, name))
  } catch (cause) {
    throw new CouldNotRun(
      `cannot write to the data directory ${directory} (${(cause as NodeJS.ErrnoException).code}); choose another with --data DIR`,
      FAULTS_FOUND,
    )
  }
  return {
    directory,
    logs,
    users: join(secrets, 'demo-users.json'),
    adminToken: join(secrets, 'admin.token'),
    demoSecret: join(secrets, 'demo-generator.secret'),
  }
}
