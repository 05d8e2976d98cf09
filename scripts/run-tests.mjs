// Under Node 26: runs test files, prints each test, and tells its parent what came of them.
import { relative, resolve } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { ROOT } from './node26.mjs'

const TEST_TIMEOUT_MS = 120_000
/** The runner's default would leave one of two cores idle. */
const CONCURRENCY = 2

const files = process.argv.slice(2).filter((arg) => !arg.startsWith('--'))
const namePatterns = process.argv.slice(2).flatMap((arg) => {
  const pattern = /^--name=(.+)$/.exec(arg)?.[1]
  return pattern === undefined ? [] : [pattern]
})

const durations = []
const stream = run({
  files: files.map((file) => resolve(ROOT, file)),
  concurrency: CONCURRENCY,
  timeout: TEST_TIMEOUT_MS,
  execArgv: ['--import', resolve(ROOT, 'scripts/test-deadline.mjs')],
  ...(namePatterns.length === 0 ? {} : { testNamePatterns: namePatterns }),
})
stream.on('test:summary', ({ file, counts, duration_ms }) => {
  if (file !== undefined) {
    durations.push({ file: relative(ROOT, file), seconds: duration_ms / 1000 })
    return
  }
  const failed = counts.failed + counts.cancelled
  if (failed > 0) process.exitCode = 1
  process.send?.({
    passed: counts.passed,
    failed,
    skipped: counts.skipped + counts.todo,
    durations,
  })
})
stream.compose(new spec()).pipe(process.stdout)
