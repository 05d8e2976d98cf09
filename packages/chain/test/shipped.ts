import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ConfigFile, type Edits, ROOT } from '@audience-bridge/testkit/config-copy.ts'
import { type BridgeConfig, type BridgeSources, readBridgeConfig } from '../src/bridge-config.ts'
import { formatFaults, formatPlace } from '../src/fault.ts'

/** The shipped files with edits, in memory. */
export function shipped(edits: Edits = {}): BridgeSources {
  const read = (file: ConfigFile) => {
    const text = readFileSync(join(ROOT, 'ServiceConfigs', file), 'utf8')
    return { file, text: edits[file]?.(text) ?? text }
  }
  return {
    routes: read('BFF/config/routes.yaml'),
    settings: read('BFF/config/settings.yaml'),
    idps: read('BFF/config/idps.yaml'),
    idp: { settings: read('IdP/config/settings.yaml'), clients: read('IdP/config/clients.yaml') },
    backends: {
      analytics_service: read('Analytics/config/settings.yaml'),
      crud_service: read('CRUD/config/settings.yaml'),
    },
  }
}

/** The configuration that the shipped files make with edits; fails on any fault. */
export function soundConfig(edits: Edits = {}): BridgeConfig {
  const { config, faults } = readBridgeConfig(shipped(edits), {})
  assert.equal(formatFaults(faults), '')
  assert.ok(config)
  return config
}

/** `code key` of every fault that the shipped files have with edits; the start must be refused. */
export function faultsWith(edits: Edits, env: Record<string, string> = {}): string[] {
  const { config, faults } = readBridgeConfig(shipped(edits), env)
  assert.equal(config, undefined, 'a malformed file is loaded')
  for (const fault of faults) {
    assert.equal(fault.kind, 'malformed')
    assert.ok(fault.found && fault.expected && fault.mend, formatPlace(fault.at))
  }
  return faults.map(({ code, key }) => `${code} ${key}`)
}

/** Adds lines at the end of the mapping that the line `after` opens or belongs to. */
export const addAfter =
  (after: string, ...lines: string[]) =>
  (text: string): string => {
    assert.ok(text.includes(`\n${after}\n`), `the line "${after}" is not in the file`)
    return text.replace(`\n${after}\n`, () => `\n${[after, ...lines].join('\n')}\n`)
  }
