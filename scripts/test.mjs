// `npm test` on any Node from 20: installs what is missing, then checks format, types and build and
// runs the tests; every step runs whatever became of the others. `npm test -- WORD…` runs only the
// test files whose paths contain one of the words, `--name=PATTERN` only the tests named so.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ensureDebianPackages } from './debian-packages.mjs'
import { ensureDependencies, environment, findNode, ROOT } from './node26.mjs'

const SLOWEST = 8

const args = process.argv.slice(2)
const words = args.filter((arg) => !arg.startsWith('--'))

ensureDependencies()
ensureDebianPackages()

const bin = (name) => join(ROOT, 'node_modules', name)
// Biome colours even what goes into a file.
const colours = process.stdout.isTTY ? [] : ['--colors=off']
const CHECKS = [
  { name: 'format and lint', command: [bin('@biomejs/biome/bin/biome'), 'ci', ...colours, '.'] },
  { name: 'types', command: [bin('typescript/bin/tsc'), '-p', 'tsconfig.json'] },
  {
    name: 'types of the console',
    command: [bin('typescript/bin/tsc'), '-p', 'apps/console/tsconfig.json'],
  },
  {
    name: 'types of the browser helper',
    command: [bin('typescript/bin/tsc'), '-p', 'packages/spa-client/tsconfig.json'],
  },
]

/** The system serves a page only where there is a build; several at once must not each make one. */
const BUILD = {
  name: 'build of the console',
  command: [bin('vite/bin/vite.js'), 'build', '--logLevel', 'warn'],
  cwd: 'apps/console',
}

const files = testFiles().filter(
  (file) => words.length === 0 || words.some((word) => file.includes(word.replace(/^\.\//, ''))),
)
const subset = args.length > 0
const steps = [
  ...(subset ? [] : CHECKS),
  ...(files.some((file) => file.startsWith('test/e2e/')) ? [BUILD] : []),
]
/** All together: requests against llhttp for half a minute, and answers. */
if (!subset) process.env.FUZZ_SECONDS ??= '30'

const results = []
for (const { name, command, cwd } of steps) {
  const { code, seconds } = await runStep(name, command, cwd)
  results.push({
    name,
    seconds,
    passed: code === 0 ? 1 : 0,
    failed: code === 0 ? 0 : 1,
    skipped: 0,
  })
}
results.push(await runTests())
report()

async function runTests() {
  const options = args.filter((arg) => arg.startsWith('--'))
  const command = [join(ROOT, 'scripts/run-tests.mjs'), ...options, ...files]
  const name = `tests in ${files.length} file${files.length === 1 ? '' : 's'}`
  if (files.length === 0) return { name, seconds: 0, ...lost(`no test file matches ${words}`) }
  const { code, seconds, told } = await runStep(name, command)
  // A runner that died counted nothing, or not to the end.
  const counts = told ?? lost(`the test runner ended with code ${code} and counted nothing`)
  if (code !== 0 && counts.failed === 0) counts.failed = 1
  if (counts.passed + counts.failed === 0) Object.assign(counts, lost('no test ran'))
  return { name, seconds, ...counts }
}

function lost(why) {
  process.stderr.write(`${why}\n`)
  return { passed: 0, failed: 1, skipped: 0 }
}

/** Every `*.test.ts` below a `test` directory, those with the whole system first: they take longest. */
function testFiles() {
  const workspaces = ['apps', 'packages'].flatMap((parent) =>
    readdirSync(join(ROOT, parent)).map((name) => join(parent, name, 'test')),
  )
  return ['test', ...workspaces].flatMap((directory) => {
    try {
      return readdirSync(join(ROOT, directory), { recursive: true })
        .filter((name) => name.endsWith('.test.ts'))
        .map((name) => join(directory, name))
        .sort()
    } catch (cause) {
      if (cause.code === 'ENOENT') return []
      throw cause
    }
  })
}

/** Runs a script under Node 26 with its output shown; `told` is what it sent. */
async function runStep(name, command, cwd = '.') {
  process.stdout.write(`\n── ${name}\n`)
  const began = performance.now()
  const child = spawn(findNode(), command, {
    cwd: join(ROOT, cwd),
    env: environment(),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  let told
  child.on('message', (message) => {
    told = message
  })
  const forward = (signal) => child.kill(signal)
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, forward)
  const code = await new Promise((resolve) => child.once('close', resolve))
  for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, forward)
  return { code, told, seconds: (performance.now() - began) / 1000 }
}

function report() {
  const lines = results.map(({ name, seconds, failed }) => {
    const verdict = failed === 0 ? 'ok    ' : 'FAILED'
    return `${verdict} ${seconds.toFixed(1).padStart(6)} s  ${name}`
  })
  const slowest = results
    .flatMap(({ durations = [] }) => durations)
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, SLOWEST)
    .map(({ file, seconds }) => `       ${seconds.toFixed(1).padStart(6)} s  ${file}`)
  process.stdout.write(`\n${lines.join('\n')}\n\nThe slowest files:\n${slowest.join('\n')}\n\n`)

  const sum = (key) => results.reduce((total, result) => total + result[key], 0)
  const skipped = sum('skipped') === 0 ? '' : `, ${sum('skipped')} skipped`
  process.exitCode = sum('failed') === 0 ? 0 : 1
  process.stdout.write(`${sum('passed')} passed, ${sum('failed')} failed${skipped}\n`)
}
