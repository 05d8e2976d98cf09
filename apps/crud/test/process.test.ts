import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { AUDIENCE, startIssuer } from './issuer.ts'
import { startReceiver } from './receiver.ts'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const CONFIG = fileURLToPath(new URL('../../../ServiceConfigs', import.meta.url))

function spawnCrud(t: TestContext, env: Record<string, string>) {
  const data = mkdtempSync(join(tmpdir(), 'crud-process-'))
  mkdirSync(join(data, 'secrets'))
  writeFileSync(join(data, 'secrets/crud-service.secret'), 'a-secret\n')
  const child = spawn(process.execPath, [MAIN], {
    env: {
      ...process.env,
      BRIDGE_CONFIG: CONFIG,
      BRIDGE_DATA: data,
      CRUD_PORT: '0',
      LOG_LEVEL: 'info',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => {
    child.kill('SIGKILL')
    rmSync(data, { recursive: true, force: true })
  })
  return child
}

async function refusal(t: TestContext, env: Record<string, string>) {
  const child = spawnCrud(t, env)
  let stderr = ''
  child.stderr.on('data', (text) => {
    stderr += text
  })
  const [code] = await once(child, 'close')
  return { code, stderr }
}

test('the process runs on the shipped configuration, sends its events with its own token, and drains', async (t) => {
  const issuer = await startIssuer(t)
  const receiver = await startReceiver(t)
  const child = spawnCrud(t, {
    IDP_ISSUER: issuer.url,
    ANALYTICS_PORT: new URL(receiver.url).port,
  })
  let origin = ''
  for await (const line of createInterface(child.stdout)) {
    const entry = JSON.parse(line) as { message: string; origin?: string }
    if (entry.message !== 'listening') continue
    origin = entry.origin ?? ''
    break
  }
  const answer = await fetch(`${origin}/api/projects`, {
    headers: { authorization: `Bearer ${issuer.token()}` },
  })
  assert.equal(answer.status, 200)
  // SIGTERM at once: what was emitted is delivered by the drain.
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
  assert.equal(receiver.events.length, 1)
  assert.deepEqual([...receiver.authorizations], ['Bearer events-token'])
})

test('the settings follow their file while the service runs', async (t) => {
  const issuer = await startIssuer(t)
  const config = mkdtempSync(join(tmpdir(), 'crud-config-'))
  t.after(() => rmSync(config, { recursive: true, force: true }))
  cpSync(CONFIG, config, { recursive: true })
  const file = join(config, 'CRUD/config/settings.yaml')
  const before = readFileSync(file, 'utf8')
  const child = spawnCrud(t, { BRIDGE_CONFIG: config, IDP_ISSUER: issuer.url })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const logged = async (message: string) => {
    for (;;) {
      const { value, done } = await lines.next()
      if (done) throw new Error(`the process ended without "${message}"`)
      const entry = JSON.parse(value)
      if (entry.message === message) return entry
    }
  }
  const { origin } = await logged('listening')
  const ask = async (aud: string) => {
    const headers = { authorization: `Bearer ${issuer.token({ aud })}` }
    return (await fetch(`${origin}/api/whoami`, { headers })).status
  }
  const other = 'https://other.example'
  assert.deepEqual([await ask(AUDIENCE), await ask(other)], [200, 401])

  writeFileSync(file, before.replace(AUDIENCE, other))
  const { version } = await logged('config reloaded')
  assert.deepEqual([await ask(AUDIENCE), await ask(other)], [401, 200])
  const metadata = await fetch(`${origin}/.well-known/oauth-protected-resource`)
  assert.match(await metadata.text(), /"resource":"https:\/\/other\.example"/)

  writeFileSync(file, before.replace('crud.sqlite', 'other.sqlite'))
  assert.match((await logged('config refused')).faults.join(), /store\.path: .*needs a restart/)
  const status = await (await fetch(`${origin}/health/config`)).text()
  assert.match(status, new RegExp(`"version":"${version}".*"refused":true`))

  writeFileSync(file, before)
  await logged('config reloaded')
  assert.equal(await ask(AUDIENCE), 200)
  child.kill('SIGHUP')
  await logged('config reloaded')
})

test('a taken port is one clear message and exit code 1', async (t) => {
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  t.after(() => holder.close())
  const address = holder.address()
  assert.ok(typeof address === 'object' && address !== null)
  const { code, stderr } = await refusal(t, { CRUD_PORT: String(address.port) })
  assert.equal(code, 1)
  assert.match(stderr, /^crud: the port is taken .*CRUD_PORT.*\n$/)
})

test('a malformed configuration is refused with its place', async (t) => {
  const config = mkdtempSync(join(tmpdir(), 'crud-config-'))
  t.after(() => rmSync(config, { recursive: true, force: true }))
  cpSync(CONFIG, config, { recursive: true })
  const file = join(config, 'CRUD/config/settings.yaml')
  writeFileSync(file, readFileSync(file, 'utf8').replace('audience:', 'audiense:'))
  const { code, stderr } = await refusal(t, { BRIDGE_CONFIG: config })
  assert.equal(code, 1)
  assert.match(stderr, /settings\.yaml:\d+:\d+: auth\.audiense: .*did you mean "audience"\?/)
})
