import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { resolve } from 'node:path'
import { findDeadEnds } from '@audience-bridge/chain/dead-ends.ts'
import type { IdpSettings } from '@audience-bridge/chain/idp-settings.ts'
import { systemClock } from '@audience-bridge/kit/clock.ts'
import { correlationIdFrom } from '@audience-bridge/kit/correlation.ts'
import { createLive, type Live, type LiveStatus, type Reading } from '@audience-bridge/kit/live.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import { clientAddress, trustedProxies } from '@audience-bridge/kit/proxies.ts'
import { readSecret } from '@audience-bridge/kit/secret.ts'
import { openAccounts } from './accounts/accounts.ts'
import { createAttempts } from './accounts/attempts.ts'
import { openSqliteStore } from './adapter/adapter-sqlite.ts'
import { createAudit } from './audit.ts'
import { registerClients } from './clients.ts'
import type { ConfigReading, IdpConfig } from './config/config.ts'
import { sendJson, sendProblem } from './http.ts'
import { rotateKeys } from './key-rotation.ts'
import { type Keys, keysInOrder, openKeys, readKeys, replaceKeys } from './keys.ts'
import { createListener } from './listener.ts'
import { createLogoutDelivery } from './logout-delivery.ts'
import { createMetrics, hashToken, mayRead } from './metrics.ts'
import { createService, type Ground, type Service, versionOf } from './service.ts'
import { siteOf } from './site.ts'

const KEY_CHECK_MS = 60_000

export interface IdpOptions extends IdpConfig {
  log: Logger
  /** Reads the configuration's files again; without it the IdP keeps to what it started with. */
  reread?: () => ConfigReading
  /** In place of `settings.server.issuer`: for a port that is known only when it is free. */
  issuer?: string
}

export interface Idp {
  /** Not listening yet. */
  server: Server
  issuer: string
  /** Reads the files now instead of at their next change. */
  reload(): Promise<void>
  /** Stops listening, waits for the requests under way and closes the store. */
  close(): Promise<void>
}

/**
 * The IdP in this process. Keys, users and store are at the paths of `settings`, made when missing,
 * and stay for its life. Everything else follows the configuration: each version of it is a service
 * of its own over the same store, and a change swaps one reference.
 *
 * @throws Error with one clear message when a secret, a key, the users or a client cannot be read.
 */
export async function buildIdp(options: IdpOptions): Promise<Idp> {
  const { settings, log } = options
  const site = siteOf(options.issuer ?? settings.server.issuer)
  const keyFile = resolve(settings.store.keys)
  let signer = keysInOrder(await openKeys(keyFile), Date.now() / 1000)[0]?.kid
  const accounts = await openAccounts(resolve(settings.accounts.users), log, (sub) => {
    const ending = live.current().endSessions(sub)
    ending.catch((err: unknown) => log.error({ sub, err }, 'sessions of a user cannot be ended'))
  })
  const store = openSqliteStore(resolve(settings.store.path), {
    now: () => Date.now() / 1000,
  })
  const isTrusted = trustedProxies(settings.server.trusted_proxies)
  const ground: Ground = {
    ...{ site, store, accounts, log },
    attempts: createAttempts(systemClock),
    audit: createAudit(log),
    metrics: createMetrics(),
    addressOf: (req) => {
      const forwarded = [req.headers['x-forwarded-for'] ?? []].flat().join(',')
      return clientAddress(req.socket.remoteAddress ?? '', forwarded, isTrusted)
    },
    logouts: createLogoutDelivery(log),
    clientCertificates: settings.server.tls?.client_certificates ?? false,
  }

  const tokenOf = ({ admin }: IdpSettings) => admin && hashToken(readSecret(admin.token))
  let adminToken = tokenOf(settings)
  const first = await readService(ground, options, readKeys(keyFile))
  if (first.value === undefined) throw new Error(first.faults.join('\n'))
  for (const broken of first.faults) log.warn({ broken }, 'broken link')

  const listener = createListener(settings.server.tls, (req, res) => answer(req, res))
  const { reread = () => ({ config: options, faults: [], files: [] }) } = options
  let { files } = reread()
  const live: Live<Service> = createLive<Service>({
    first: { value: first.value, faults: first.faults },
    read: async () => {
      const { config, faults, files: read } = reread()
      files = read
      if (config === undefined) return { value: undefined, faults }
      listener.renew()
      const token = tokenOf(config.settings)
      const reading = await readService(ground, config, readKeys(keyFile), live.current())
      if (reading.value !== undefined) adminToken = token
      return reading
    },
    paths: () => [...files, ...listener.files, keyFile],
    log,
  })

  /** A key that is due is made, and the service signs with the one whose time has come. */
  const followKeys = async () => {
    const now = Math.floor(Date.now() / 1000)
    const next = await rotateKeys(readKeys(keyFile), live.current().token, now)
    if (next !== undefined) replaceKeys(keyFile, next)
    const kid = keysInOrder(readKeys(keyFile), now)[0]?.kid
    if (next === undefined && kid === signer) return
    log.info(
      { signer: kid, published: next?.signing.map((key) => key.kid) },
      'signing keys changed',
    )
    signer = kid
    await live.reload()
  }
  const tendKeys = () =>
    followKeys().catch((err: unknown) => log.error({ err }, 'signing keys cannot be followed'))
  const keyTimer = setInterval(() => void tendKeys(), KEY_CHECK_MS).unref()

  const status = (): LiveStatus => {
    const [config, users] = [live.status(), accounts.status()]
    return {
      ...config,
      refused: config.refused || users.refused,
      faults: [...config.faults, ...users.faults],
    }
  }
  const sendMetrics = async (req: IncomingMessage, res: ServerResponse, correlationId: string) => {
    if (!mayRead(req, adminToken)) {
      if (adminToken === undefined) {
        return sendProblem(res, 'NOT_FOUND', 'nothing is at /metrics', correlationId)
      }
      res.setHeader('www-authenticate', 'Bearer realm="admin"')
      return sendProblem(res, 'TOKEN_INVALID', 'send the token of admin.token', correlationId)
    }
    const { contentType } = ground.metrics
    res.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' })
    res.end(await ground.metrics.text())
  }
  const route = async (req: IncomingMessage, res: ServerResponse, correlationId: string) => {
    const path = (req.url ?? '/').split('?', 1)[0] ?? '/'
    if (path === '/health') return sendJson(res, 200, { status: 'ok' })
    if (path === '/health/config') return sendJson(res, 200, status())
    if (path === '/metrics') return sendMetrics(req, res, correlationId)
    if (!path.startsWith(`${site.base}/`)) {
      return sendProblem(res, 'NOT_FOUND', `nothing is at ${path}`, correlationId)
    }
    return live.current().handle(req, res, path.slice(site.base.length), correlationId)
  }

  const answer = (req: IncomingMessage, res: ServerResponse) => {
    const correlationId = correlationIdFrom(req.headers['x-correlation-id'])
    res.setHeader('x-correlation-id', correlationId)
    if (site.secure) res.setHeader('strict-transport-security', 'max-age=31536000')
    route(req, res, correlationId).catch((err: unknown) => {
      log.error({ err, correlation_id: correlationId }, 'request failed')
      if (res.headersSent) return res.destroy()
      sendProblem(res, 'INTERNAL', 'the request failed; the log has the reason', correlationId)
    })
  }
  const { server } = listener
  return {
    server,
    issuer: site.issuer,
    reload: async () => {
      await tendKeys()
      await Promise.all([live.reload(), accounts.reload()])
    },
    close: async () => {
      clearInterval(keyTimer)
      live.close()
      accounts.close()
      ground.logouts.close()
      if (server.listening) {
        await new Promise<void>((done) => {
          server.close(() => done())
          server.closeIdleConnections()
        })
      }
      store.close()
    },
  }
}

/** The service under this configuration; `inForce` again when it is the same. */
async function readService(
  ground: Ground,
  { settings, clients }: IdpConfig,
  keys: Keys,
  inForce?: Service,
): Promise<Reading<Service>> {
  const mappings = settings.token.audience_mappings.scope_mappings
  const { registered, faults } = registerClients(clients, mappings, settings.server.tls)
  if (faults.length > 0) return { value: undefined, faults }
  const version = versionOf(keys, settings.token, registered)
  const value =
    inForce?.version === version
      ? inForce
      : await createService(ground, { version, keys, token: settings.token, clients: registered })
  return { value, faults: findDeadEnds(settings, clients) }
}
