import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

export const ROOT = resolve(import.meta.dirname, '../../..')

/** Changes one file's text; must change something, or the test would test nothing. */
export type Edit = (text: string) => string

export type ConfigFile =
  | 'BFF/config/routes.yaml'
  | 'BFF/config/settings.yaml'
  | 'BFF/config/idps.yaml'
  | 'IdP/config/settings.yaml'
  | 'IdP/config/clients.yaml'
  | 'Analytics/config/settings.yaml'
  | 'CRUD/config/settings.yaml'

/** Edits by file. */
export type Edits = Partial<Record<ConfigFile, Edit>>

/** Whatever runs clean-ups: a test, or `{ after }` of `node:test` for a whole file. */
export interface Cleanup {
  after(fn: () => void | Promise<void>): void
}

/** A directory of the test's own, gone when it ends. */
export function temporaryDirectory(t: Cleanup): string {
  const directory = mkdtempSync(join(tmpdir(), 'audience-bridge-'))
  t.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))
  return directory
}

/** A copy of the shipped configuration with edits. */
export function copyConfig(t: Cleanup, edits: Edits = {}): string {
  const directory = join(temporaryDirectory(t), 'ServiceConfigs')
  cpSync(join(ROOT, 'ServiceConfigs'), directory, { recursive: true })
  editConfig(directory, edits)
  return directory
}

export function editConfig(directory: string, edits: Edits): void {
  for (const [file, edit] of Object.entries(edits)) {
    const path = join(directory, file)
    // A file that need not be there begins empty.
    const before = existsSync(path) ? readFileSync(path, 'utf8') : ''
    const after = edit(before)
    if (after === before) throw new Error(`the edit of ${file} changes nothing`)
    writeFileSync(path, after)
  }
}

/** Replaces a text that must be there. */
export const replace =
  (from: string, to: string): Edit =>
  (text) => {
    if (!text.includes(from)) throw new Error(`"${from}" is not in the file`)
    return text.replace(from, () => to)
  }

/** Several edits of one file, in order. */
export const inOrder =
  (...edits: Edit[]): Edit =>
  (text) =>
    edits.reduce((sofar, edit) => edit(sofar), text)
