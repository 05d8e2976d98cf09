import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { analyticsSettingsSchema } from '@audience-bridge/chain/analytics-settings.ts'
import { readBridgeConfig } from '@audience-bridge/chain/bridge-config.ts'
import { crudSettingsSchema } from '@audience-bridge/chain/crud-settings.ts'
import { readDocument, type SourceFile } from '@audience-bridge/chain/document.ts'
import { formatFaults } from '@audience-bridge/chain/fault.ts'
import type { Environment } from '@audience-bridge/chain/variables.ts'
import { CouldNotRun, FAULTS_FOUND } from '../outcome.ts'
import type { Ports } from './ports.ts'

/** Reads all configuration before anything starts: every fault of every file at once. */
export function checkConfig(directory: string, env: Environment): void {
  const read = (name: string): SourceFile => {
    const file = join(directory, name)
    try {
      return { file, text: readFileSync(file, 'utf8') }
    } catch (cause) {
      throw new CouldNotRun(
        `cannot read ${file} (${(cause as NodeJS.ErrnoException).code}); --config names the directory that holds BFF/config and its siblings`,
        FAULTS_FOUND,
      )
    }
  }
  const bridge = readBridgeConfig(
    {
      routes: read('BFF/config/routes.yaml'),
      settings: read('BFF/config/settings.yaml'),
      idp: { settings: read('IdP/config/settings.yaml'), clients: read('IdP/config/clients.yaml') },
    },
    env,
  )
  const faults = [
    // What is unsafe works, and its process tells of it.
    ...bridge.faults.filter(({ kind }) => kind !== 'unsafe'),
    ...readDocument(read('Analytics/config/settings.yaml'), analyticsSettingsSchema, env).faults,
    ...readDocument(read('CRUD/config/settings.yaml'), crudSettingsSchema, env).faults,
  ]
  if (faults.length > 0) {
    throw new CouldNotRun(`the configuration is malformed:\n${formatFaults(faults)}`, FAULTS_FOUND)
  }
}

/** Names every port that is taken, before anything starts. */
export async function checkPorts(ports: Ports): Promise<void> {
  const taken = await Promise.all(
    Object.entries(ports).map(async ([name, port]) =>
      (await isFree(port)) ? [] : [`${port} (${name})`],
    ),
  )
  const names = taken.flat()
  if (names.length === 0) return
  throw new CouldNotRun(
    `taken: port ${names.join(', ')}; stop what listens there or choose others with --port-base N`,
    FAULTS_FOUND,
  )
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
