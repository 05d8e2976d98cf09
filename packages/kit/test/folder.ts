import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** A directory of this test alone. */
export function makeFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'kit-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Resolves when `holds` does; throws when that takes longer than even a busy machine needs. */
export async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + 5_000
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within 5 s: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
