// `npm run bench` on any Node from 20: every benchmark, one after the other, each a comparison within
// one run. `npm run bench -- WORD` runs those whose names contain the word,
// with the options that follow it.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ensureDependencies, environment, findNode, ROOT } from './node26.mjs'

/** Files that benchmarks share. */
const SHARED = new Set(['large-config.ts', 'session-stores.ts', 'turns.ts'])

ensureDependencies()
const [word = '', ...options] = process.argv.slice(2)
const names = readdirSync(join(ROOT, 'bench')).filter(
  (name) => name.endsWith('.ts') && !SHARED.has(name) && name.includes(word),
)
let failed = 0
for (const name of names) {
  process.stdout.write(`\n── ${name}\n`)
  const { status } = spawnSync(findNode(), [join(ROOT, 'bench', name), ...options], {
    cwd: ROOT,
    env: environment(),
    stdio: 'inherit',
  })
  if (status !== 0) failed++
}
if (names.length === 0) process.stderr.write(`no benchmark is called like "${word}"\n`)
process.exitCode = failed > 0 || names.length === 0 ? 1 : 0
