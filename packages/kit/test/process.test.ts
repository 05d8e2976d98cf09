import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'

/** Runs a module that may import from the kit by the names below. */
function run(t: TestContext, body: string) {
  const from = (name: string) => JSON.stringify(new URL(`../src/${name}`, import.meta.url).href)
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '--eval',
      `import { closeOnSignal, refuseStart } from ${from('lifecycle.ts')}
       import { createLog } from ${from('log.ts')}
       ${body}`,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const ended = once(child, 'close').then(([code]) => ({ code, output }))
  /** Waits until the process has written `text`. */
  const wrote = async (text: string) => {
    while (!output.includes(text)) await once(child.stdout, 'data')
  }
  return { child, ended, wrote }
}

/** A process that lives until it is told to stop. */
const ALIVE = 'setInterval(() => {}, 1000); log.info("ready")'

test('the first signal closes and ends well', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const { child, ended, wrote } = run(
      t,
      `const log = createLog('x')
       closeOnSignal(log, async () => { log.info('drained') })
       ${ALIVE}`,
    )
    await wrote('ready')
    child.kill(signal)
    const { code, output } = await ended
    assert.equal(code, 0)
    assert.match(output, /"message":"stopping"[\s\S]*"message":"drained"/)
  }
})

test('a second signal does not wait for what hangs', async (t) => {
  const { child, ended, wrote } = run(
    t,
    `const log = createLog('x')
     closeOnSignal(log, () => new Promise(() => {}))
     ${ALIVE}`,
  )
  await wrote('ready')
  child.kill('SIGTERM')
  await wrote('stopping')
  child.kill('SIGTERM')
  assert.equal((await ended).code, 1)
})

test('a close that fails ends with 1 and says why', async (t) => {
  const { child, ended, wrote } = run(
    t,
    `const log = createLog('x')
     closeOnSignal(log, async () => { throw new Error('store is gone') })
     ${ALIVE}`,
  )
  await wrote('ready')
  child.kill('SIGTERM')
  const { code, output } = await ended
  assert.equal(code, 1)
  assert.match(output, /stop failed/)
  assert.match(output, /store is gone/)
})

test('a start that cannot go on prints its one line and ends with 1', async (t) => {
  const { ended } = run(t, `refuseStart('port 8080 is taken')`)
  assert.deepEqual(await ended, { code: 1, output: 'port 8080 is taken\n' })
})

test('whatever a caller logs, secrets do not come out', async (t) => {
  const { ended } = run(
    t,
    `const log = createLog('x', 'debug')
     const secrets = { authorization: 'S', cookie: 'S', access_token: 'S', refresh_token: 'S',
       id_token: 'S', client_secret: 'S', password: 'S' }
     log.info({ ...secrets, token: 'S', nested: secrets, kept: 'here' }, 'line')`,
  )
  const { output } = await ended
  const { nested, ...line } = JSON.parse(output)
  assert.equal(line.kept, 'here')
  assert.equal(line.message, 'line')
  assert.equal(line.level, 'info')
  assert.equal(line.service, 'x')
  assert.equal(Number.isNaN(Date.parse(line.time)), false)
  assert.ok(!output.includes('"S"'), output)
  assert.equal(nested.password, '[redacted]')
})

test('buffered lines are written when the process ends of itself', async (t) => {
  const { ended } = run(
    t,
    `const log = createLog('x', 'info', { buffered: true })
     for (let i = 0; i < 300; i++) log.info({ i }, 'line')`,
  )
  const { code, output } = await ended
  assert.equal(code, 0)
  const lines = output.trimEnd().split('\n')
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).i),
    Array.from({ length: 300 }, (_, i) => i),
  )
})
