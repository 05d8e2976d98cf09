import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { copyConfig, type Edits, ROOT } from '@audience-bridge/testkit/config-copy.ts'

export interface Ran {
  status: number | null
  stdout: string
  stderr: string
}

/** A copy of the shipped configuration with edits, and the tool as a person runs it beside it. */
export interface Workplace {
  directory: string
  /** The directory of the configuration. */
  config: string
  bridge(...args: string[]): Ran
  read(file: string): string
  /** Every file's text, by name below the configuration. */
  texts(): Record<string, string>
}

const FILES = [
  'BFF/config/routes.yaml',
  'BFF/config/settings.yaml',
  'IdP/config/settings.yaml',
  'IdP/config/clients.yaml',
  'Analytics/config/settings.yaml',
  'CRUD/config/settings.yaml',
]

export function workplace(t: TestContext, edits: Edits = {}): Workplace {
  const config = copyConfig(t, edits)
  const directory = dirname(config)
  const read = (file: string) => readFileSync(join(config, file), 'utf8')
  return {
    directory,
    config,
    bridge: (...args) => runBridge(directory, args),
    read,
    texts: () => Object.fromEntries(FILES.map((file) => [file, read(file)])),
  }
}

export function runBridge(cwd: string, args: readonly string[]): Ran {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'apps/cli/src/main.ts'), ...args],
    // No variable of ours may reach the templates.
    { cwd, encoding: 'utf8', timeout: 60_000, env: { PATH: process.env.PATH ?? '' } },
  )
  return { status, stdout, stderr }
}
