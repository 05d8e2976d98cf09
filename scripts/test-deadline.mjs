// Preloaded into every test file. A file whose tests are over but which still holds a socket, a timer
// or a child would keep the runner waiting for ever: it says what it holds, and fails.
const DEADLINE_MS = 600_000

setTimeout(() => {
  const held = process.getActiveResourcesInfo().join(', ')
  process.stderr.write(`${process.argv[1]} has not ended after ${DEADLINE_MS / 1000} s: ${held}\n`)
  process.exit(1)
}, DEADLINE_MS).unref()
