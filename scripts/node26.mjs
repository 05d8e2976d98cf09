// Plain JavaScript for any Node from 20: gets the dependencies and hands over to Node 26, which runs
// TypeScript as it is. Node 26 itself is one of the dependencies (an optional one for each platform).
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const WANTED_MAJOR = 26

/** Installs the dependencies unless the installed ones are those of the lock file. */
export function ensureDependencies() {
  if (isInstalled()) return
  process.stdout.write('Installing dependencies …\n')
  const { status, error } = spawnSync(
    'npm',
    ['ci', '--no-audit', '--no-fund', '--loglevel', 'error'],
    { cwd: ROOT, stdio: 'inherit', shell: process.platform === 'win32' },
  )
  if (status !== 0) {
    process.stderr.write(`npm ci failed${error ? `: ${error.message}` : ''}; see above\n`)
    process.exit(1)
  }
}

/** npm writes what it installed beside the packages: the same packages, or it is out of date. */
function isInstalled() {
  const hidden = join(ROOT, 'node_modules/.package-lock.json')
  if (!existsSync(hidden)) return false
  const installed = JSON.parse(readFileSync(hidden, 'utf8')).packages
  const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages
  return Object.entries(wanted).every(([path, entry]) => {
    // A workspace that came with the last pull has no link yet.
    if (entry.link) return existsSync(join(ROOT, path))
    if (path === '' || entry.optional) return true
    if (!path.includes('node_modules')) return true
    return installed[path]?.version === entry.version
  })
}

/** The Node 26 to run TypeScript with: this one, or the installed one. */
export function findNode() {
  if (Number(process.versions.node.split('.')[0]) >= WANTED_MAJOR) return process.execPath
  const installed = join(
    ROOT,
    'node_modules/.bin',
    process.platform === 'win32' ? 'node.cmd' : 'node',
  )
  if (existsSync(installed)) return installed
  process.stderr.write(
    `Node ${WANTED_MAJOR} is needed and no package brings it for ${process.platform}-${process.arch}; install Node ${WANTED_MAJOR} and run again\n`,
  )
  process.exit(1)
}

/** Keeps what Node makes of each file: the next process starts with two thirds of the work. */
export function environment() {
  return { NODE_COMPILE_CACHE: join(ROOT, 'node_modules/.cache/node'), ...process.env }
}

/** Runs a script of this project under Node 26 and exits with its code. */
export async function runScript(script, args) {
  const child = spawn(findNode(), [join(ROOT, script), ...args], {
    env: environment(),
    stdio: 'inherit',
  })
  // The child decides how to end; a signal to us is a signal to it.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  const [code, signal] = await new Promise((done) =>
    child.once('exit', (...result) => done(result)),
  )
  process.exit(code ?? (signal === null ? 1 : 128))
}

export async function runBridge(args) {
  ensureDependencies()
  await runScript('apps/cli/src/main.ts', args)
}
