import { randomUUID } from 'node:crypto'
import { chmodSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'

/**
 * Puts another text in a file's place, whole or not at all: a process that watches the file never
 * reads a half of it. A link stays a link, and the permissions stay as they are.
 */
export function replaceFile(file: string, text: string): void {
  const place = realpathSync(file)
  const beside = `${place}.${randomUUID()}.new`
  try {
    writeFileSync(beside, text, { flag: 'wx' })
    chmodSync(beside, statSync(place).mode)
    renameSync(beside, place)
  } catch (cause) {
    rmSync(beside, { force: true })
    throw cause
  }
}
