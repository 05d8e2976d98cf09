import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { relative, resolve, sep } from 'node:path'
import { CouldNotRun } from '../outcome.ts'
import type { ReadText } from './config-sources.ts'

/**
 * Reads files as they were at a revision of the repository that holds `directory`.
 *
 * @throws CouldNotRun when that is no revision.
 */
export function readAtRevision(revision: string, directory: string): ReadText {
  const cwd = existsSync(directory) ? resolve(directory) : resolve('')
  const git = (...args: string[]) =>
    spawnSync('git', args, { cwd, encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 })
  // Whatever begins with a dash would be an option of git's.
  const found = git('rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`)
  const commit = found.stdout?.trim()
  if (found.status !== 0 || !/^[0-9a-f]{40,64}$/.test(commit)) {
    throw new CouldNotRun(
      `"${revision}" is neither a directory nor a revision of the repository at ${cwd}`,
    )
  }
  return (file) => {
    const path = relative(cwd, resolve(file)).split(sep).join('/')
    const shown = git('show', `${commit}:./${path}`)
    return shown.status === 0 ? shown.stdout : undefined
  }
}
