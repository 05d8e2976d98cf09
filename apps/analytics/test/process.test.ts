import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { ingestResponse } from '@audience-bridge/contracts/event.ts'
import type { LiveStatus } from '@audience-bridge/kit/live.ts'
import { access, workflow } from './make.ts'
import { AUDIENCE, startIssuer, type TokenWish } from './world.ts'

const MAIN = new URL('../src/main.ts', import.meta.url).pathname
const scratch = mkdtempSync(join(tmpdir(), 'analytics-process-'))
const idp = await startIssuer()
const children = new Set<ChildProcess>()
after(() => {
  for (const child of children) child.kill('SIGKILL')
  idp.close()
  rmSync(scratch, { recursive: true, force: true })
})

/** A configuration directory of its own, and the data beside it. */
function configure(name: string, more = '', port = 0): string {
  const folder = join(scratch, name, 'Analytics/config')
  mkdirSync(folder, { recursive: true })
  const settings = `
server: { host: 127.0.0.1, port: ${port} }
auth: { issuer: '${idp.issuer}', audience: '${AUDIENCE}' }
reader_roles: [analyst]
engine: { path: '${join(scratch, name, 'chdb')}' }
${more}`
  writeFileSync(join(folder, 'settings.yaml'), settings)
  return join(scratch, name)
}

function run(config: string): ChildProcess {
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, BRIDGE_CONFIG: config, LOG_LEVEL: 'info' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.add(child)
  child.on('exit', () => children.delete(child))
  return child
}

/** Until the line `listening`; the origin that it names. */
async function start(config: string): Promise<{ child: ChildProcess; origin: string }> {
  const child = run(config)
  assert.ok(child.stdout !== null)
  for await (const line of createInterface({ input: child.stdout })) {
    const { message, origin } = JSON.parse(line) as { message: string; origin: string }
    if (message === 'listening') {
      child.stdout.resume()
      return { child, origin }
    }
  }
  throw new Error('the process ended before it listened')
}

async function stop(child: ChildProcess): Promise<unknown> {
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  return code
}

async function post(origin: string, events: unknown) {
  const response = await fetch(`${origin}/api/v1/analytics/events`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await idp.token()}`,
      'content-type': 'application/cloudevents-batch+json',
    },
    body: JSON.stringify(events),
  })
  return ingestResponse.parse(await response.json())
}

/** What a refused start prints, and its exit code. */
async function refused(config: string): Promise<{ code: unknown; text: string }> {
  const child = run(config)
  let text = ''
  child.stderr?.on('data', (chunk) => {
    text += chunk
  })
  const [code] = await once(child, 'close')
  return { code, text }
}

const batch = Array.from({ length: 500 }, (_, i) =>
  access(Date.now() - i * 1000, {}, { id: `restart-${i}` }),
)

test('what was acknowledged survives', async (t) => {
  const config = configure('restart')

  await t.test('a stop by SIGTERM, which exits 0', async () => {
    const { child, origin } = await start(config)
    assert.deepEqual(await post(origin, batch), { accepted: 500, duplicates: 0, rejected: [] })
    assert.equal(await stop(child), 0)
  })

  await t.test('and being killed while more is sent', async () => {
    const { child, origin } = await start(config)
    assert.deepEqual(await post(origin, batch), { accepted: 0, duplicates: 500, rejected: [] })
    const more = batch.map((event) => ({ ...event, id: `${event.id}-more` }))
    assert.equal((await post(origin, more)).accepted, 500)
    const lost = post(origin, [access(Date.now(), {}, { id: 'perhaps' })]).catch(() => undefined)
    child.kill('SIGKILL')
    await Promise.all([once(child, 'exit'), lost])

    const again = await start(config)
    assert.equal((await post(again.origin, [...batch, ...more])).duplicates, 1000)
    assert.equal(await stop(again.child), 0)
  })
})

test('requests under way are answered before the stop', async () => {
  const { child, origin } = await start(configure('drain'))
  const posts = Array.from({ length: 5 }, (_, n) =>
    post(
      origin,
      batch.map((event) => ({ ...event, id: `${event.id}-${n}` })),
    ),
  )
  await posts[0]
  const exit = stop(child)
  const outcomes = await Promise.allSettled(posts)
  assert.equal(await exit, 0)
  for (const outcome of outcomes) {
    assert.equal(outcome.status === 'fulfilled' && outcome.value.accepted, 500)
  }
})

test('the settings follow their file while the service runs', async (t) => {
  const config = configure('live')
  const file = join(config, 'Analytics/config/settings.yaml')
  const before = readFileSync(file, 'utf8')
  const { child, origin } = await start(config)
  await post(origin, [workflow(Date.now() - 1000, { subject: 'alice' })])

  const ask = async (wish: TokenWish) => {
    const headers = { authorization: `Bearer ${await idp.token(wish)}` }
    const response = await fetch(`${origin}/api/v1/analytics/workflows`, { headers })
    return { response, text: await response.text() }
  }
  const status = async () => {
    const response = await fetch(`${origin}/health/config`)
    return (await response.json()) as LiveStatus
  }
  const first = await status()

  await t.test('reader_roles', async () => {
    const auditor = { sub: 'olga', roles: ['auditor'] }
    assert.doesNotMatch((await ask(auditor)).text, /onboard-user/)
    writeFileSync(file, before.replace('[analyst]', '[auditor]'))
    await until(async () => /onboard-user/.test((await ask(auditor)).text))
    assert.doesNotMatch((await ask({ sub: 'olga', roles: ['analyst'] })).text, /onboard-user/)
    assert.notEqual((await status()).version, first.version)
  })

  await t.test('auth.audience, for tokens that were taken before, too', async () => {
    const old = await idp.token()
    const other = 'https://other.example'
    assert.equal((await ask({})).response.status, 200)
    writeFileSync(file, before.replace(AUDIENCE, other))
    await until(async () => (await ask({ aud: other })).response.status === 200)
    const refused = await fetch(`${origin}/api/v1/analytics/workflows`, {
      headers: { authorization: `Bearer ${old}` },
    })
    assert.equal(refused.status, 401)
    const challenge = refused.headers.get('www-authenticate') ?? ''
    assert.match(challenge, /expected audience https:\/\/other\.example, found/)
    const metadata = await fetch(`${origin}/.well-known/oauth-protected-resource`)
    assert.match(await metadata.text(), /"resource":"https:\/\/other\.example"/)
  })

  await t.test('but not what needs a restart, nor what is malformed', async () => {
    const { version } = await status()
    const slips = [
      [before.replace('live/chdb', 'elsewhere'), /:5:\d+: engine\.path: .*needs a restart/],
      [before.replace('issuer:', 'isuer:'), /:3:\d+: auth\.isuer: .*did you mean "issuer"/],
    ] as const
    for (const [text, says] of slips) {
      writeFileSync(file, text)
      await until(async () => says.test((await status()).faults.join('\n')))
      assert.deepEqual([(await status()).version, (await status()).refused], [version, true])
    }
    writeFileSync(file, before)
    child.kill('SIGHUP')
    await until(async () => (await status()).version === first.version)
    assert.equal((await ask({})).response.status, 200)
  })
  assert.equal(await stop(child), 0)
})

async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 5_000
  while (!(await holds())) assert.ok(performance.now() < end, `not within 5 s: ${holds}`)
}

test('a start that cannot go on is one clear message and exit code 1', async (t) => {
  await t.test('a key that is not known', async () => {
    const { code, text } = await refused(configure('unknown', 'reader_rolls: [admin]'))
    assert.equal(code, 1)
    assert.match(text, /settings\.yaml:6:1: .*unknown key "reader_rolls".*did you mean/)
  })

  await t.test('no settings', async () => {
    const { code, text } = await refused(join(scratch, 'nowhere'))
    assert.equal(code, 1)
    assert.match(text, /^cannot read .*settings\.yaml/)
  })

  await t.test('a port that is taken', async (t) => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const { port } = server.address() as AddressInfo
    const { code, text } = await refused(configure('taken', '', port))
    assert.equal(code, 1)
    assert.match(text, new RegExp(`^the port ${port} on 127\\.0\\.0\\.1 is taken: [^\\n]+\\n$`))
  })

  await t.test('a data directory that another process uses', async () => {
    const config = configure('shared')
    const { child } = await start(config)
    const { code, text } = await refused(config)
    assert.equal(code, 1)
    assert.match(
      text,
      new RegExp(
        `^another process \\(${child.pid}\\) seems to use the directory .*shared/chdb: `,
        'm',
      ),
    )
    assert.equal(await stop(child), 0)
  })

  await t.test('a data directory that cannot be made', async () => {
    const config = configure('blocked')
    writeFileSync(join(config, 'chdb'), 'a file')
    const { code, text } = await refused(config)
    assert.equal(code, 1)
    assert.match(text, /^cannot open the embedded engine at /)
  })
})
