import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const ROOT = resolve(import.meta.dirname, '../..')

const FOREIGN = /(^|\/)(node_modules|dist|\.data|\.git)(\/|$)/

/** Files of this project below the root, sorted; what is installed or built is none of it. */
export function filesOf(pattern: string): string[] {
  return globSync(pattern, { cwd: ROOT, exclude: (path) => FOREIGN.test(path) })
    .filter((path) => !FOREIGN.test(path))
    .sort()
}

export function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}

export interface Manifest {
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
}

export function manifestOf(workspace: string): Manifest {
  return JSON.parse(read(join(workspace, 'package.json')))
}

/** `apps/bff` of `apps/bff/src/main.ts`; `.` of what lies in no workspace. */
export function workspaceOf(file: string): string {
  return /^(?:apps|packages)\/[^/]+/.exec(file)?.[0] ?? '.'
}
