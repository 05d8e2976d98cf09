import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** The file behind a config value `file:PATH`; undefined for a value that is the secret itself. */
export function secretPath(value: string): string | undefined {
  return value.startsWith('file:') ? resolve(value.slice('file:'.length)) : undefined
}

/**
 * The secret behind a config value: `file:PATH` is read (relative to the working directory, trailing
 * newline dropped), anything else is the secret itself.
 *
 * @throws Error naming the path when the file cannot be read or is empty.
 */
export function readSecret(value: string): string {
  const path = secretPath(value)
  if (path === undefined) return value
  let text: string
  try {
    text = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
  } catch (cause) {
    throw new Error(`cannot read the secret file ${path}`, { cause })
  }
  if (text === '') throw new Error(`the secret file ${path} is empty`)
  return text
}

/**
 * The secret in `path`, made at first use: 32 random bytes, base64url, readable by the owner alone.
 * Never overwritten: two processes that start at once agree on the one that was written first.
 */
export function ensureSecretFile(path: string): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  try {
    writeFileSync(path, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
  }
  chmodSync(path, 0o600)
  return readSecret(`file:${path}`)
}
