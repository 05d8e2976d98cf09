import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import test, { type TestContext } from 'node:test'
import { ClientSecretBasic } from 'openid-client'
import { parse } from 'yaml'
import { discover, exchange, login } from './relying-party.ts'
import { CALLBACK, freePort, PASSWORD, startIdp } from './start-idp.ts'

const SOURCE = new URL('../src/', import.meta.url).pathname
const SHIPPED = new URL('../../../ServiceConfigs/IdP', import.meta.url).pathname

interface Place {
  dir: string
  env: NodeJS.ProcessEnv
  port: number
}

async function place(t: TestContext): Promise<Place> {
  const dir = mkdtempSync(join(tmpdir(), 'idp-process-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  cpSync(SHIPPED, join(dir, 'config', 'IdP'), { recursive: true })
  // There is no BFF here whose keys could be read: its client proves itself by a secret.
  const clients = join(dir, 'config/IdP/config/clients.yaml')
  const shipped = readFileSync(clients, 'utf8')
  const secret = 'client_secret: file:${BRIDGE_DATA:-.data}/secrets/bff-server.secret\n'
  const edited = shipped.replace(
    /token_endpoint_auth_method: private_key_jwt\n[\s\S]*?jwks_uri: .*\n/,
    secret,
  )
  if (edited === shipped) throw new Error('clients.yaml has no such entry any more')
  writeFileSync(clients, edited)
  mkdirSync(join(dir, 'data', 'secrets'), { recursive: true })
  for (const client of ['bff-server', 'crud-service']) {
    writeFileSync(join(dir, 'data', 'secrets', `${client}.secret`), `${client}-secret\n`)
  }
  const port = await freePort()
  const env = {
    PATH: process.env.PATH,
    BRIDGE_CONFIG: join(dir, 'config'),
    BRIDGE_DATA: join(dir, 'data'),
    IDP_PORT: String(port),
    IDP_HOST: 'localhost',
  }
  return { dir, env, port }
}

function run(t: TestContext, args: string[], env: NodeJS.ProcessEnv, input?: string): ChildProcess {
  const child = spawn(process.execPath, args, { env, stdio: 'pipe', timeout: 60_000 })
  child.stdin?.end(input)
  t.after(() => child.kill('SIGKILL'))
  return child
}

async function ended(child: ChildProcess): Promise<{ code: number; out: string; err: string }> {
  const exit = once(child, 'exit')
  const [out, err] = await Promise.all([
    child.stdout === null ? '' : text(child.stdout),
    child.stderr === null ? '' : text(child.stderr),
  ])
  const [code] = await exit
  return { code: Number(code), out, err }
}

test('the process on the shipped configuration', async (t) => {
  const { env, port } = await place(t)
  const child = run(t, [join(SOURCE, 'main.ts')], env)
  assert.ok(child.stdout)
  for await (const line of createInterface(child.stdout)) {
    const entry = JSON.parse(line)
    if (entry.message !== 'listening') continue
    assert.equal(entry.origin, `http://localhost:${port}`)
    break
  }
  const health = await fetch(`http://localhost:${port}/health`)
  assert.deepEqual(await health.json(), { status: 'ok' })
  const nothing = await fetch(`http://localhost:${port}/nothing`, {
    headers: { 'x-correlation-id': 'correlation-1' },
  })
  assert.equal(nothing.status, 404)
  assert.equal(nothing.headers.get('content-type'), 'application/problem+json')
  assert.match(await nothing.text(), /"correlation_id":"correlation-1"/)

  const second = await ended(run(t, [join(SOURCE, 'main.ts')], env))
  assert.equal(second.code, 1)
  assert.match(second.err, /cannot listen on localhost:\d+: the port is taken/)

  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  assert.deepEqual(await exit, [0, null])
})

test('SIGHUP reads the files again, and who was added a moment ago signs in', async (t) => {
  const { dir, env, port } = await place(t)
  const running = { ...env, BFF_PUBLIC_URL: new URL(CALLBACK).origin }
  const child = run(t, [join(SOURCE, 'main.ts')], running)
  assert.ok(child.stdout)
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const logged = async (message: string) => {
    for (;;) {
      const { value, done } = await lines.next()
      if (done) throw new Error(`the process ended without "${message}"`)
      const entry = JSON.parse(value)
      if (entry.message === message) return entry
    }
  }
  await logged('listening')
  child.kill('SIGHUP')
  const { version } = await logged('config reloaded')
  assert.match(version, /^[0-9a-f]{12}$/)

  const settings = join(dir, 'config', 'IdP', 'config', 'settings.yaml')
  const before = readFileSync(settings, 'utf8')
  writeFileSync(settings, 'server: {prot: 1}\n')
  child.kill('SIGHUP')
  assert.match((await logged('config refused')).faults[0], /settings\.yaml:1:/)
  writeFileSync(settings, before)
  await logged('config reloaded')

  const users = JSON.stringify([{ username: 'alice', password: PASSWORD }])
  const file = join(dir, 'data', 'idp', 'users.yaml')
  const added = await ended(run(t, [join(SOURCE, 'add-users.ts'), file], env, users))
  assert.equal(added.code, 0)
  const idp = { issuer: `http://localhost:${port}/api/oidc` }
  const config = await discover(idp, 'bff-server', ClientSecretBasic('bff-server-secret'))
  assert.equal((await login(config)).asked, true)
})

test('a start that cannot go on says why and exits 1', async (t) => {
  const cases = [
    {
      name: 'malformed settings and clients, all faults at once',
      spoil: ({ dir }: Place) => {
        const config = join(dir, 'config', 'IdP', 'config')
        writeFileSync(join(config, 'settings.yaml'), 'server: {prot: 1}\n')
        writeFileSync(join(config, 'clients.yaml'), 'c: {grant_types: [implicit], scopes: []}\n')
      },
      says: [/settings\.yaml:1:\d+.*"server\.prot"|prot/, /clients\.yaml:1:\d+/],
    },
    {
      name: 'a missing secret file',
      spoil: ({ dir }: Place) => rmSync(join(dir, 'data', 'secrets', 'crud-service.secret')),
      says: [/client "crud-service": cannot read the secret file .*crud-service\.secret/],
    },
    {
      name: 'a damaged key file',
      spoil: ({ dir }: Place) => {
        mkdirSync(join(dir, 'data', 'idp'))
        writeFileSync(join(dir, 'data', 'idp', 'keys.json'), '{"version":1')
      },
      says: [/key file .*keys\.json is not JSON/],
    },
    {
      name: 'a store that cannot be opened',
      spoil: ({ dir }: Place) =>
        mkdirSync(join(dir, 'data', 'idp', 'idp.sqlite'), { recursive: true }),
      says: [/cannot open the IdP's store .*idp\.sqlite/],
    },
  ]
  for (const { name, spoil, says } of cases) {
    await t.test(name, async (t) => {
      const at = await place(t)
      spoil(at)
      const { code, err } = await ended(run(t, [join(SOURCE, 'main.ts')], at.env))
      assert.equal(code, 1)
      for (const pattern of says) assert.match(err, pattern)
      assert.doesNotMatch(err, /\n\s+at /)
    })
  }
})

test('a restart keeps keys, sessions, grants and users', async (t) => {
  const first = await startIdp(t)
  const port = Number(new URL(first.issuer).port)
  const { tokens, browser } = await login(await discover(first))
  const keys = readFileSync(first.settings.store.keys, 'utf8')
  assert.equal(statSync(first.settings.store.keys).mode & 0o777, 0o600)
  await first.close()

  const second = await startIdp(t, { dataDir: first.dataDir, port })
  assert.equal(readFileSync(second.settings.store.keys, 'utf8'), keys)
  assert.equal((await exchange(second, tokens.access_token)).status, 200)
  const config = await discover(second)
  assert.equal((await login(config, { browser })).asked, false)
})

test('add-users adds who is missing and keeps the others', async (t) => {
  const { dir, env } = await place(t)
  const file = join(dir, 'users.yaml')
  const add = (users: unknown) =>
    ended(run(t, [join(SOURCE, 'add-users.ts'), file], env, JSON.stringify(users)))
  const ann = {
    username: 'ann',
    password: 'one',
    name: 'Ann',
    email: 'ann@x.org',
    roles: ['admin'],
  }

  const first = await add([ann])
  assert.deepEqual([first.code, first.out], [0, `${file}: added 1 (ann), kept 0\n`])
  const before = parse(readFileSync(file, 'utf8')).users[0]
  assert.equal(statSync(file).mode & 0o777, 0o600)

  const second = await add([
    { ...ann, password: 'two', roles: [] },
    { username: 'ben', password: 'x', sub: 'sub-ben' },
  ])
  assert.equal(second.out, `${file}: added 1 (ben), kept 1\n`)
  const { users } = parse(readFileSync(file, 'utf8'))
  assert.deepEqual(users[0], before)
  assert.equal(users[1].sub, 'sub-ben')

  const clash = await add([{ username: 'cay', password: 'x', sub: 'sub-ben' }])
  assert.equal(clash.code, 1)
  assert.match(clash.err, /sub "sub-ben" is taken/)
  const malformed = await add([{ username: 'cay' }])
  assert.equal(malformed.code, 1)
  assert.match(malformed.err, /0\.password/)
})
