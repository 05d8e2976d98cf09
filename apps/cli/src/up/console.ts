import { spawn } from 'node:child_process'
import { existsSync, globSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { CouldNotRun, FAULTS_FOUND } from '../outcome.ts'

/** Builds the console unless its build is newer than everything that it is made from. */
export async function ensureConsole(root: string): Promise<void> {
  const directory = join(root, 'apps/console')
  const built = join(directory, 'dist/index.html')
  const sources = [
    ...globSync('{src,public}/**/*.*', { cwd: directory }).map((name) => join(directory, name)),
    ...globSync('packages/{contracts,spa-client}/src/*.ts', { cwd: root }).map((name) =>
      join(root, name),
    ),
    ...['index.html', 'vite.config.ts', 'package.json'].map((name) => join(directory, name)),
  ]
  const newest = Math.max(...sources.filter(existsSync).map((path) => statSync(path).mtimeMs))
  if (existsSync(built) && statSync(built).mtimeMs >= newest) return

  const vite = join(root, 'node_modules/vite/bin/vite.js')
  const child = spawn(process.execPath, [vite, 'build', '--logLevel', 'warn'], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-4000)
    })
  }
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0) {
    // What a failed build leaves behind is newer than its sources, and would pass for a good one.
    rmSync(built, { force: true })
    throw new CouldNotRun(`the console could not be built:\n${output}`, FAULTS_FOUND)
  }
}
