import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import type { Engine } from './engine.ts'
import { storeTime } from './time.ts'

const FOLDER = new URL('../migrations/', import.meta.url)

/**
 * Applies what `migrations/` holds and the store has not seen, in the order of the names, and
 * records each. A file that was applied must never change: it would describe a store that no longer
 * exists anywhere.
 *
 * @returns the names applied now.
 * @throws Error naming an applied file that changed.
 */
export async function migrate(engine: Engine): Promise<string[]> {
  await engine.command(
    "CREATE TABLE IF NOT EXISTS migrations (name String, checksum String, applied_at DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY name",
  )
  const applied = await engine.query<{ name: string; checksum: string }>(
    'SELECT name, checksum FROM migrations',
  )
  const known = new Map(applied.map(({ name, checksum }) => [name, checksum]))
  const now: string[] = []
  for (const name of readdirSync(FOLDER).sort()) {
    if (!name.endsWith('.sql')) continue
    const text = readFileSync(new URL(name, FOLDER), 'utf8')
    const checksum = createHash('sha256').update(text).digest('hex')
    const before = known.get(name)
    if (before === checksum) continue
    if (before !== undefined) {
      throw new Error(`migration ${name} was applied and has changed since: add a new file instead`)
    }
    for (const statement of statementsOf(text)) await engine.command(statement)
    await engine.insert('migrations', [{ name, checksum, applied_at: storeTime(Date.now()) }])
    now.push(name)
  }
  return now
}

/** Statements end with a semicolon at the end of a line; comments take whole lines. */
function statementsOf(text: string): string[] {
  return text
    .replace(/^\s*--.*$/gm, '')
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')
}
