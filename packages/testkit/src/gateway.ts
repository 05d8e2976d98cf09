import assert from 'node:assert/strict'
import type { Server } from 'node:http'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { BffConfig } from '@audience-bridge/bff/config.ts'
import { openSqliteTraces } from '@audience-bridge/bff/explain/trace-store-sqlite.ts'
import { buildBff } from '@audience-bridge/bff/server.ts'
import type { ServiceToken, SessionRecord } from '@audience-bridge/bff/session/session.ts'
import { readTickets, unseal } from '@audience-bridge/bff/session/ticket.ts'
import { openSessionStore, readStoreKeys } from '@audience-bridge/bff/session-store.ts'
import { buildIdp } from '@audience-bridge/idp/server.ts'
import { ensureSecretFile, readSecret } from '@audience-bridge/kit/secret.ts'
import { clientProof } from './client-proof.ts'
import { copyConfig, type Edits, editConfig, temporaryDirectory } from './config-copy.ts'
import { readGatewayConfig, readIdpConfig } from './config-read.ts'
import { filesIn, leaksIn } from './leaks.ts'
import { captureLog } from './log.ts'
import { freePorts } from './ports.ts'
import { type RawAnswer, rawRequest } from './raw.ts'
import { makeUsers, USERS } from './users.ts'
import { type Credentials, Visitor } from './visitor.ts'

const SECRET_FILES = ['crud-service.secret', 'bff-store.key', 'admin.token', 'edge.secret'] as const

export interface GatewayOptions {
  edits?: Edits
  /** Base URLs by service, in place of those of routes.yaml. */
  upstreams?: Record<string, string>
  /** Seconds since the epoch. */
  clock?: () => number
  /** The BFF cannot read the IdP's files (`idp_config_dir`). */
  withoutIdpFiles?: boolean
  /** More of the environment that the files are read with. */
  env?: Record<string, string>
}

/** A session's record and tokens, opened with its cookie and the store's key. */
export interface OpenedSession extends SessionRecord {
  tokens: Map<string, ServiceToken>
}

/**
 * A real IdP and a real BFF in this process, on ports of their own, with the shipped config. When the
 * test ends, everything that the BFF and the IdP logged, everything that the BFF stored, and everything
 * that visitors got from it is searched for tokens, cookies and secrets; a find fails the test.
 */
export interface Gateway {
  bff: string
  idp: string
  configDirectory: string
  dataDirectory: string
  config: () => BffConfig
  /** Everything that the BFF logged, parsed. */
  logs: Record<string, unknown>[]
  idpLogs: Record<string, unknown>[]
  /** @param origin of a frontend; default: the first. */
  visitor(origin?: string): Visitor
  /** A visitor who is signed in. */
  signedIn(user?: Credentials, origin?: string): Promise<Visitor>
  stopIdp(): Promise<void>
  startIdp(): Promise<void>
  /** Stops and starts the IdP over the same store, after edits of the files. */
  restartIdp(edits?: Edits): Promise<void>
  /** The visitor's session as the store holds it, or undefined when it has none. */
  openSession(who: Visitor): Promise<OpenedSession | undefined>
  /** A call of the IdP's token endpoint as the client `bff-server`. */
  askIdp(endpoint: 'token' | 'revoke', form: Record<string, string>): Promise<Response>
  /** Revokes a token at the IdP, behind the BFF's back. */
  revoke(token: string): Promise<void>
  /** `rawRequest` to the BFF; what it answers is searched for leaks, too. */
  raw(
    method: string,
    target: string,
    head?: readonly (readonly [string, string])[],
    body?: string,
  ): Promise<RawAnswer>
  /** Stops and starts the BFF over the same store, after edits of the files. */
  restartBff(edits?: Edits): Promise<void>
  /** Stops the BFF as a signal does: what is under way may end. */
  drainBff(): Promise<void>
  /** Edits the files and lets the running BFF follow, whatever is under way. */
  reconfigure(edits: Edits): void
  adminToken: string
}

export async function startGateway(t: TestContext, options: GatewayOptions = {}): Promise<Gateway> {
  // Before the directory's own end, which comes in the order of registration.
  const atEnd: (() => Promise<void>)[] = []
  t.after(async () => {
    for (const step of atEnd) await step()
  })
  const data = temporaryDirectory(t)
  const configDirectory = copyConfig(t, options.edits)
  const base = await freePorts(2)
  const env = {
    BRIDGE_DATA: data,
    BFF_PORT: String(base),
    IDP_PORT: String(base + 1),
    BFF_COOKIE_SUFFIX: String(base),
    ...options.env,
  }
  const secretDirectory = join(data, 'secrets')
  for (const name of SECRET_FILES) ensureSecretFile(join(secretDirectory, name))
  await makeUsers(join(data, 'idp/users.yaml'))

  const logs: Record<string, unknown>[] = []
  const idpLogs: Record<string, unknown>[] = []
  let config = readGatewayConfig(configDirectory, env, options)
  let idp: Awaited<ReturnType<typeof buildIdp>> | undefined
  let bff: Awaited<ReturnType<typeof buildBff>> | undefined

  const startIdp = async () => {
    const { settings, clients } = readIdpConfig(configDirectory, env)
    idp = await buildIdp({ settings, clients, log: captureLog(idpLogs) })
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
      store: openSessionStore(settings.store, captureLog(logs)),
      storeKeys: readStoreKeys(settings.store),
      traces: openSqliteTraces(join(data, 'bff/traces.sqlite'), captureLog(logs)),
      live: {
        status: () => ({ version: config.version, loaded_at: '', refused: false, faults: [] }),
        reload: async () => {
          throw new Error('the gateway of the tests is restarted instead')
        },
      },
      openOutbox: undefined,
      consoleDirectory: undefined,
      clock: options.clock ?? (() => Math.floor(Date.now() / 1000)),
      log: captureLog(logs),
    })
    await listen(bff.server, base)
  }
  const stopBff = async () => {
    bff?.server.closeAllConnections()
    await bff?.close()
    bff = undefined
    // Clients in this process learn of the end of their connections before they go on.
    await new Promise(setImmediate)
  }
  atEnd.push(stopBff, stopIdp)
  for (const started of await Promise.allSettled([startIdp(), startBff()])) {
    if (started.status === 'rejected') throw started.reason
  }

  const heard: { where: string; text: string }[] = []
  const secrets = new Map<string, string>()
  for (const name of SECRET_FILES) {
    secrets.set(readSecret(`file:${join(secretDirectory, name)}`), `the secret ${name}`)
  }
  const listening: Promise<void>[] = []
  atEnd.push(async () => {
    await Promise.all(listening)
    const logged = [...logs, ...idpLogs].map((line) => JSON.stringify(line))
    assert.deepEqual(
      [
        ...leaksIn(heard, secrets, { stacks: true }),
        ...leaksIn(filesIn(join(data, 'bff')), secrets, { stacks: false }),
        ...leaksIn(
          logged.map((text) => ({ where: text.slice(0, 200), text })),
          secrets,
          { stacks: false },
        ),
      ],
      [],
      'nothing secret is ever sent or logged',
    )
  })

  const origin = config.frontends.first.publicUrl.origin
  const visitor = (at = origin) =>
    new Visitor(at, (request, response) => {
      for (const line of response.headers.getSetCookie()) {
        const value = line.split(';', 1)[0]?.split('=').slice(1).join('=') ?? ''
        secrets.set(value, 'the value of a cookie')
      }
      const head = [...response.headers].filter(([name]) => name !== 'set-cookie')
      const read = response.text().then(
        (body) => void heard.push({ where: request, text: `${JSON.stringify(head)}\n${body}` }),
        // A body that was cut short said nothing more.
        () => {},
      )
      listening.push(read)
    })
  const openSession = async (who: Visitor): Promise<OpenedSession | undefined> => {
    const { settings } = config.bridge
    const { all, first } = config.frontends
    const frontend = all.find(({ publicUrl }) => publicUrl.origin === who.bff) ?? first
    const name = frontend.cookies.sessionName
    const cookie = new RegExp(`(?:^|; )${name}=([^;]+)`).exec(who.cookie)?.[1]
    const [ticket] = readTickets(cookie ?? '', readStoreKeys(settings.store))
    if (!ticket) return undefined
    const store = openSessionStore(settings.store, captureLog(logs))
    try {
      const stored = await store.readSession(ticket.id)
      if (stored === undefined) return undefined
      const record = unseal(ticket.dataKey, ticket.id, stored.sealed) as SessionRecord
      const tokens = new Map<string, ServiceToken>()
      for (const [service, sealed] of await store.readTokens(ticket.id)) {
        const token = unseal(ticket.dataKey, `${ticket.id}/${service}`, sealed) as ServiceToken
        tokens.set(service, token)
      }
      const { refresh_token: refreshToken } = record.grant
      if (refreshToken !== undefined) secrets.set(refreshToken, 'a refresh token')
      return { ...record, tokens }
    } finally {
      await store.close()
    }
  }
  const idpOrigin = `http://localhost:${base + 1}`
  const askIdp = async (endpoint: string, form: Record<string, string>) => {
    const { settings } = config.bridge
    const store = openSessionStore(settings.store, captureLog(logs))
    const proof = await clientProof(store, readStoreKeys(settings.store), config)
    await store.close()
    return fetch(`${idpOrigin}/api/oidc/${endpoint}`, {
      method: 'POST',
      headers: proof.headers,
      body: new URLSearchParams({ ...form, ...proof.form }),
    })
  }
  return {
    bff: origin,
    idp: idpOrigin,
    configDirectory,
    dataDirectory: data,
    config: () => config,
    logs,
    idpLogs,
    visitor,
    async signedIn(user = USERS.member, at = origin) {
      const who = visitor(at)
      const landed = await who.signIn(user)
      if (landed.status !== 302)
        throw new Error(`sign-in ended with ${landed.status}: ${await landed.text()}`)
      await openSession(who)
      return who
    },
    stopIdp,
    startIdp,
    async restartIdp(edits = {}) {
      await stopIdp()
      editConfig(configDirectory, edits)
      await startIdp()
    },
    openSession,
    askIdp,
    async revoke(token) {
      const response = await askIdp('revoke', { token })
      if (response.status !== 200) throw new Error(`revocation ended with ${response.status}`)
    },
    async raw(method, target, head = [], body = '') {
      const answer = await rawRequest(origin, method, target, head, body)
      const { 'set-cookie': _, ...headers } = Object.fromEntries(answer.headers)
      const text = `${JSON.stringify(headers)}\n${answer.body}`
      heard.push({ where: `${method} ${target}`, text })
      return answer
    },
    async restartBff(edits = {}) {
      await stopBff()
      editConfig(configDirectory, edits)
      config = readGatewayConfig(configDirectory, env, options)
      await startBff()
    },
    async drainBff() {
      const closing = bff?.close()
      bff = undefined
      await closing
    },
    reconfigure(edits) {
      editConfig(configDirectory, edits)
      config = readGatewayConfig(configDirectory, env, options)
    },
    adminToken: readSecret(`file:${join(secretDirectory, 'admin.token')}`),
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve())
  })
}
