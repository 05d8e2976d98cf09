import { mkdirSync, readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type BffConfig, readBffConfig } from '@audience-bridge/bff/config.ts'
import { buildBff } from '@audience-bridge/bff/server.ts'
import { openSqliteStore } from '@audience-bridge/bff/session/store-sqlite.ts'
import { storeKeyFrom } from '@audience-bridge/bff/session/ticket.ts'
import { loadUserAssertion } from '@audience-bridge/bff/tokens/assertion.ts'
import { readDocument } from '@audience-bridge/chain/document.ts'
import { formatFaults } from '@audience-bridge/chain/fault.ts'
import { idpClientsSchema } from '@audience-bridge/chain/idp-clients.ts'
import { idpSettingsSchema } from '@audience-bridge/chain/idp-settings.ts'
import { hashPassword } from '@audience-bridge/idp/accounts/password.ts'
import { writeUsers } from '@audience-bridge/idp/accounts/users-file.ts'
import { buildIdp } from '@audience-bridge/idp/server.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import { ensureSecretFile, readSecret } from '@audience-bridge/kit/secret.ts'
import pino from 'pino'
import { copyConfig, type Edits, editConfig, temporaryDirectory } from './config-copy.ts'
import { freePorts } from './ports.ts'
import { type Credentials, Visitor } from './visitor.ts'

export const USERS = {
  admin: { username: 'ada', password: 'correct horse ada', roles: ['admin'] },
  member: { username: 'ben', password: 'correct horse ben', roles: ['member'] },
} as const

export interface GatewayOptions {
  edits?: Edits
  /** Base URLs by service, in place of those of routes.yaml. */
  upstreams?: Record<string, string>
  /** Seconds since the epoch. */
  clock?: () => number
}

/** A real IdP and a real BFF in this process, on ports of their own, with the shipped config. */
export interface Gateway {
  bff: string
  idp: string
  configDirectory: string
  config: () => BffConfig
  /** Everything that the BFF logged, parsed. */
  logs: Record<string, unknown>[]
  idpLogs: Record<string, unknown>[]
  visitor(): Visitor
  /** A visitor who is signed in. */
  signedIn(user?: Credentials): Promise<Visitor>
  stopIdp(): Promise<void>
  startIdp(): Promise<void>
  /** Stops and starts the BFF over the same store, after edits of the files. */
  restartBff(edits?: Edits): Promise<void>
  adminToken: string
}

export async function startGateway(t: TestContext, options: GatewayOptions = {}): Promise<Gateway> {
  const data = temporaryDirectory(t)
  const configDirectory = copyConfig(t, options.edits)
  const base = await freePorts(2)
  const env = {
    BRIDGE_DATA: data,
    BFF_PORT: String(base),
    IDP_PORT: String(base + 1),
    BFF_COOKIE_SUFFIX: String(base),
  }
  const secrets = join(data, 'secrets')
  for (const name of ['bff-server.secret', 'crud-service.secret', 'bff-store.key', 'admin.token']) {
    ensureSecretFile(join(secrets, name))
  }
  await makeUsers(join(data, 'idp/users.yaml'))

  const logs: Record<string, unknown>[] = []
  const idpLogs: Record<string, unknown>[] = []
  let config = readConfig(configDirectory, env, options.upstreams)
  let idp: Awaited<ReturnType<typeof buildIdp>> | undefined
  let bff: Awaited<ReturnType<typeof buildBff>> | undefined

  const startIdp = async () => {
    const { settings, clients } = readIdpConfig(configDirectory, env)
    idp = await buildIdp({ settings, clients, log: capture(idpLogs) })
    await listen(idp.server, base + 1)
  }
  const stopIdp = async () => {
    idp?.server.closeAllConnections()
    await idp?.close()
    idp = undefined
  }
  const startBff = async () => {
    const { settings } = config.bridge
    bff = await buildBff({
      config: () => config,
      store: openSqliteStore(settings.store.path),
      storeKey: storeKeyFrom(readSecret(settings.store.key)),
      clientSecret: readSecret(settings.auth.client_secret),
      adminToken: readSecret(`file:${join(secrets, 'admin.token')}`),
      assertion: await loadUserAssertion(
        join(data, 'bff/user-assertion.key.json'),
        config.publicUrl.origin,
      ),
      outbox: undefined,
      consoleDirectory: undefined,
      clock: options.clock ?? (() => Math.floor(Date.now() / 1000)),
      log: capture(logs),
    })
    await listen(bff.server, base)
  }
  const stopBff = async () => {
    bff?.server.closeAllConnections()
    await bff?.close()
    bff = undefined
  }
  await Promise.all([startIdp(), startBff()])
  t.after(async () => {
    await stopBff()
    await stopIdp()
  })

  const origin = config.publicUrl.origin
  const visitor = () => new Visitor(origin)
  return {
    bff: origin,
    idp: `http://localhost:${base + 1}`,
    configDirectory,
    config: () => config,
    logs,
    idpLogs,
    visitor,
    async signedIn(user = USERS.member) {
      const who = visitor()
      const landed = await who.signIn(user)
      if (landed.status !== 302)
        throw new Error(`sign-in ended with ${landed.status}: ${await landed.text()}`)
      return who
    },
    stopIdp,
    startIdp,
    async restartBff(edits = {}) {
      await stopBff()
      editConfig(configDirectory, edits)
      config = readConfig(configDirectory, env, options.upstreams)
      await startBff()
    },
    adminToken: readSecret(`file:${join(secrets, 'admin.token')}`),
  }
}

function readConfig(
  directory: string,
  env: Record<string, string>,
  upstreams: Record<string, string> = {},
): BffConfig {
  const read = (name: string) => ({ file: name, text: readFileSync(join(directory, name), 'utf8') })
  const { config, faults } = readBffConfig(
    {
      routes: read('BFF/config/routes.yaml'),
      settings: read('BFF/config/settings.yaml'),
      idp: { settings: read('IdP/config/settings.yaml'), clients: read('IdP/config/clients.yaml') },
    },
    env,
  )
  if (config === undefined) throw new Error(formatFaults(faults))
  const bases = new Map(config.bases)
  for (const [service, url] of Object.entries(upstreams)) bases.set(service, new URL(url))
  return { ...config, bases }
}

function readIdpConfig(directory: string, env: Record<string, string>) {
  const read = (name: string) => {
    const file = join(directory, 'IdP/config', name)
    return { file, text: readFileSync(file, 'utf8') }
  }
  const settings = readDocument(read('settings.yaml'), idpSettingsSchema, env)
  const clients = readDocument(read('clients.yaml'), idpClientsSchema, env)
  if (!settings.value || !clients.value) {
    throw new Error(formatFaults([...settings.faults, ...clients.faults]))
  }
  return { settings: settings.value, clients: clients.value }
}

/** Hashing is slow by design: once for all tests of this process. */
const hashes = new Map<string, Promise<string>>()

async function makeUsers(path: string): Promise<void> {
  mkdirSync(join(path, '..'), { recursive: true })
  const users = Object.values(USERS).map(async ({ username, password, roles }) => {
    const hash = hashes.get(password) ?? hashPassword(password)
    hashes.set(password, hash)
    return {
      sub: `user-${username}`,
      username,
      name: `Test ${username}`,
      email: `${username}@example.com`,
      roles: [...roles],
      password_hash: await hash,
    }
  })
  writeUsers(path, await Promise.all(users))
}

/** A logger that keeps what it is given. */
function capture(into: Record<string, unknown>[]): Logger {
  return pino(
    { messageKey: 'message', formatters: { level: (label) => ({ level: label }) } },
    { write: (line: string) => void into.push(JSON.parse(line)) },
  )
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve())
  })
}
