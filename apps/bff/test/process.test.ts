import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ensureSecretFile } from '@audience-bridge/kit/secret.ts'
import {
  copyConfig,
  type Edits,
  ROOT,
  replace,
  temporaryDirectory,
} from '@audience-bridge/testkit/config-copy.ts'
import { freePort } from '@audience-bridge/testkit/ports.ts'
import { until } from '@audience-bridge/testkit/wait.ts'

const SECRETS = ['bff-store.key', 'admin.token']
const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'

/** The BFF as a process of its own, with nothing else there. */
async function startBff(t: TestContext, edits: Edits, env: Record<string, string> = {}) {
  const data = temporaryDirectory(t)
  for (const name of SECRETS) ensureSecretFile(join(data, 'secrets', name))
  const port = await freePort()
  const child = spawn(process.execPath, [join(ROOT, 'apps/bff/src/main.ts')], {
    env: {
      ...process.env,
      BRIDGE_CONFIG: copyConfig(t, edits),
      BRIDGE_DATA: data,
      BFF_PORT: String(port),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const out = { log: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out.log += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    out.err += text
  })
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  t.after(async () => {
    if (child.exitCode === null) child.kill('SIGKILL')
    await exited
  })
  return { child, out, exited, origin: `http://localhost:${port}`, data }
}

test('a start that cannot go on is one clear message and exit code 1', async (t) => {
  await t.test('for malformed files, all faults with their places', async (t) => {
    const { out, exited } = await startBff(t, {
      'BFF/config/settings.yaml': (text) => `${text}\nservr: {}\npdp: {}\n`,
    })
    assert.equal(await exited, 1)
    assert.match(out.err, /settings\.yaml:\d+:1: servr: found .*\[unknown_key\]/)
    assert.match(out.err, /settings\.yaml:\d+:\d+: pdp: found .*\[not_implemented\]/)
    assert.ok(!/\n\s+at /.test(out.err), 'no stack')
  })

  await t.test('for a taken port', async (t) => {
    const squatter = createServer()
    await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve))
    t.after(() => squatter.close())
    const address = squatter.address()
    const port = typeof address === 'object' && address !== null ? String(address.port) : ''
    const { out, exited } = await startBff(t, {}, { BFF_PORT: port })
    assert.equal(await exited, 1)
    assert.match(out.err, new RegExp(`port ${port} .*taken`))
  })

  await t.test('for a directory without files', async (t) => {
    const { out, exited } = await startBff(t, {}, { BRIDGE_CONFIG: temporaryDirectory(t) })
    assert.equal(await exited, 1)
    assert.match(out.err, /cannot read .*settings\.yaml/)
  })

  await t.test('for a secret that is not there', async (t) => {
    const { out, exited } = await startBff(t, {
      'BFF/config/settings.yaml': replace('admin.token\n', 'nowhere.secret\n'),
    })
    assert.equal(await exited, 1)
    assert.match(out.err, /nowhere\.secret/)
  })

  await t.test('for a data directory that cannot be written', async (t) => {
    const data = temporaryDirectory(t)
    for (const name of SECRETS) ensureSecretFile(join(data, 'secrets', name))
    writeFileSync(join(data, 'bff'), 'a file where a directory must be')
    const { out, exited } = await startBff(t, {}, { BRIDGE_DATA: data })
    assert.equal(await exited, 1)
    assert.match(out.err, /sessions\.sqlite|\/bff/)
    assert.ok(!/\n\s+at /.test(out.err), out.err)
  })
})

test('a broken link is a warning, and the BFF serves without an IdP', async (t) => {
  const { child, out, exited, origin } = await startBff(t, {
    'IdP/config/clients.yaml': replace(`    - ${ANALYTICS}\n`, ''),
  })
  const listens = () => out.log.includes('"listening"') || child.exitCode !== null
  await until('listening', listens, 30_000)
  const lines = out.log
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  const warning = lines.find(({ message }) => /audience_not_allowed/.test(String(message)))
  assert.equal(warning?.level, 'warn', out.log)
  assert.match(String(warning?.message), /api-analytics/)
  assert.match(String(warning?.message), /clients\.yaml:\d+:\d+/)
  assert.equal(lines.find(({ message }) => message === 'listening')?.origin, origin)

  const health = await fetch(`${origin}/health`)
  assert.deepEqual([health.status, await health.json()], [200, { status: 'ok' }])
  const session = await fetch(`${origin}/api/auth/session`)
  assert.deepEqual(await session.json(), { authenticated: false })
  child.kill('SIGTERM')
  assert.equal(await exited, 0)
})
