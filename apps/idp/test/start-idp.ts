import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { TestContext } from 'node:test'
import { type IdpClients, idpClientsSchema } from '@audience-bridge/chain/idp-clients.ts'
import { type IdpSettings, idpSettingsSchema } from '@audience-bridge/chain/idp-settings.ts'
import { pino } from 'pino'
import { stringify } from 'yaml'
import { hashPassword } from '../src/accounts/password.ts'
import { type User, writeUsers } from '../src/accounts/users-file.ts'
import { readConfig } from '../src/config/config.ts'
import { buildIdp } from '../src/server.ts'

export const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'
export const CRUD = 'https://crud.ocg.labs.empowernow.ai'
export const ADMIN_API = 'https://idp.ocg.labs.empowernow.ai/api/admin'
export const SECRET = 'a-secret-of-at-least-thirty-two-characters'
export const CALLBACK = 'http://localhost:9/auth/callback'
export const AFTER_LOGOUT = 'http://localhost:9/'

export interface TestIdp {
  issuer: string
  origin: string
  dataDir: string
  /** As at the start; the files hold the same. */
  settings: IdpSettings
  clients: IdpClients
  files: { settings: string; clients: string }
  /** Every log line so far, parsed. */
  logs: Record<string, unknown>[]
  /** Takes over what the files say now, instead of at the next look at them. */
  reload(): Promise<void>
  close(): Promise<void>
}

export interface StartOptions {
  /** Laid over the clients below, entry by entry. */
  clients?: Record<string, unknown>
  token?: Record<string, unknown>
  /** `server.tls`: then the issuer is https. */
  tls?: Record<string, unknown>
  /** Laid over `server`. */
  server?: Record<string, unknown>
  adminToken?: string
  /** Reuse a data directory and port: a restart. */
  dataDir?: string
  port?: number
}

const USERS = [
  { sub: 'user-alice', username: 'alice', name: 'Alice Adams', roles: ['admin', 'analyst'] },
  { sub: 'user-bob', username: 'bob', name: 'Bob Brown', roles: ['viewer'] },
]
let passwordHash: Promise<string> | undefined

export const PASSWORD = 'correct horse'

export async function startIdp(t: TestContext, options: StartOptions = {}): Promise<TestIdp> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'idp-'))
  const port = options.port ?? (await freePort())
  const origin = `${options.tls === undefined ? 'http' : 'https'}://localhost:${port}`
  const issuer = `${origin}/api/oidc`
  const settings = testSettings(issuer, port, dataDir, options)
  const clients = testClients(options.clients)
  const files = writeConfig(dataDir, settings, clients)

  if (options.dataDir === undefined) {
    passwordHash ??= hashPassword(PASSWORD)
    const password_hash = await passwordHash
    const users: User[] = USERS.map((user) => ({
      ...user,
      email: `${user.username}@example.org`,
      password_hash,
    }))
    writeUsers(settings.accounts.users, users)
  }
  const logs: Record<string, unknown>[] = []
  const sink = new PassThrough()
  sink.on('data', (chunk: Buffer) => {
    for (const line of String(chunk).split('\n')) if (line !== '') logs.push(JSON.parse(line))
  })
  const log = pino({ messageKey: 'message' }, sink)
  const idp = await buildIdp({
    ...{ settings, clients, log },
    reread: () => readConfig(join(dataDir, 'config'), {}, settings),
  })
  idp.server.listen(port, 'localhost')
  await once(idp.server, 'listening')

  let closed = false
  const close = async () => {
    if (closed) return
    closed = true
    idp.server.closeAllConnections()
    await idp.close()
  }
  t.after(async () => {
    await close()
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
  })
  const { reload } = idp
  return { issuer, origin, dataDir, settings, clients, files, logs, reload, close }
}

function writeConfig(dataDir: string, settings: IdpSettings, clients: IdpClients) {
  const folder = join(dataDir, 'config', 'IdP', 'config')
  mkdirSync(folder, { recursive: true })
  const files = { settings: join(folder, 'settings.yaml'), clients: join(folder, 'clients.yaml') }
  writeFileSync(files.settings, stringify(settings))
  writeFileSync(files.clients, stringify(clients))
  return files
}

function testSettings(
  issuer: string,
  port: number,
  dataDir: string,
  { token = {}, tls, server = {}, adminToken }: StartOptions,
): IdpSettings {
  return idpSettingsSchema.parse({
    server: { port, issuer, ...server, ...(tls === undefined ? {} : { tls }) },
    ...(adminToken === undefined ? {} : { admin: { token: adminToken } }),
    token: {
      audience_mappings: {
        scope_mappings: [
          {
            scope: 'application.all',
            audiences: [ADMIN_API, CRUD, 'empowernow', ANALYTICS],
            implies: ['api.read', 'api.write', 'crud.read'],
          },
          { scope: 'api.read', audiences: [ANALYTICS] },
          { scope: 'api.write', audiences: [ANALYTICS] },
          { scope: 'crud.read', audiences: [CRUD] },
          { scope: 'admin.api', audiences: [ADMIN_API] },
        ],
      },
      ...token,
    },
    accounts: { users: join(dataDir, 'users.yaml') },
    store: { path: join(dataDir, 'idp.sqlite'), keys: join(dataDir, 'keys.json') },
  })
}

function testClients(more: Record<string, unknown> = {}): IdpClients {
  const web = {
    client_secret: SECRET,
    grant_types: [
      'authorization_code',
      'refresh_token',
      'client_credentials',
      'urn:ietf:params:oauth:grant-type:token-exchange',
    ],
    redirect_uris: [CALLBACK],
    post_logout_redirect_uris: [AFTER_LOGOUT],
    scopes: ['openid', 'profile', 'email', 'offline_access', 'application.all'],
  }
  return idpClientsSchema.parse({
    'bff-server': {
      ...web,
      first_party: true,
      allowed_audiences: ['empowernow', ANALYTICS, CRUD, 'https://unmapped.example'],
    },
    // Another client with the very same rights.
    'other-bff': { ...web, first_party: true, allowed_audiences: ['empowernow', ANALYTICS, CRUD] },
    'third-party': { ...web, allowed_audiences: ['empowernow', ANALYTICS] },
    machine: {
      client_secret: SECRET,
      token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['client_credentials'],
      scopes: ['api.write'],
      allowed_audiences: [ANALYTICS],
    },
    disabled: {
      enabled: false,
      client_secret: 'file:/nowhere/secret',
      grant_types: ['client_credentials'],
      scopes: ['api.write'],
    },
    ...more,
  })
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, 'localhost')
  await once(probe, 'listening')
  const address = probe.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  await new Promise<void>((done) => probe.close(() => done()))
  return address.port
}
