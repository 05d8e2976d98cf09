import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { resolve } from 'node:path'
import type { IdpClients } from '@audience-bridge/chain/idp-clients.ts'
import type { IdpSettings } from '@audience-bridge/chain/idp-settings.ts'
import { systemClock } from '@audience-bridge/kit/clock.ts'
import { correlationIdFrom } from '@audience-bridge/kit/correlation.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import { openAccounts } from './accounts/accounts.ts'
import { createAttempts } from './accounts/attempts.ts'
import { openSqliteStore } from './adapter/adapter-sqlite.ts'
import { createAudit } from './audit.ts'
import { registerClients } from './clients.ts'
import { readForm, sendJson, sendProblem, withForm } from './http.ts'
import { SIGN_OUT_SCRIPT, STYLE_SHEET } from './interactions/assets.ts'
import { interactionHandler } from './interactions/interactions.ts'
import { openKeys, publicKeys } from './keys.ts'
import { findBrokenLinks } from './links.ts'
import { ownTokenVerifier } from './own-token.ts'
import { createProvider } from './provider.ts'
import { siteOf } from './site.ts'
import { userinfoHandler } from './userinfo.ts'

/** For how long a refresh token that was just rotated is taken once more. */
const REFRESH_GRACE_SECONDS = 10

export interface IdpOptions {
  settings: IdpSettings
  clients: IdpClients
  log: Logger
  /** In place of `settings.server.issuer`: for a port that is known only when it is free. */
  issuer?: string
}

export interface Idp {
  /** Not listening yet. */
  server: Server
  issuer: string
  /** Stops listening, waits for the requests under way and closes the store. */
  close(): Promise<void>
}

/**
 * The IdP in this process. Keys, users and store are at the paths of `settings`, made when missing.
 *
 * @throws Error with one clear message when a secret, a key, the users or a client cannot be read.
 */
export async function buildIdp(options: IdpOptions): Promise<Idp> {
  const { settings, clients, log } = options
  const site = siteOf(options.issuer ?? settings.server.issuer)
  const mappings = settings.token.audience_mappings.scope_mappings
  for (const broken of findBrokenLinks(settings, clients)) log.warn({ broken }, 'broken link')

  const registered = registerClients(clients, mappings)
  const keys = await openKeys(resolve(settings.store.keys))
  const accounts = await openAccounts(resolve(settings.accounts.users), log)
  const store = openSqliteStore(resolve(settings.store.path), {
    now: () => Date.now() / 1000,
    graceSeconds: (model) => (model === 'RefreshToken' ? REFRESH_GRACE_SECONDS : 0),
  })
  const verify = ownTokenVerifier(site.issuer, publicKeys(keys))
  const audit = createAudit(log)
  const core = await createProvider({
    ...{ site, keys, store, accounts, verify, audit },
    token: settings.token,
    clients: registered,
  })
  const interactions = interactionHandler({
    ...{ accounts, site, log },
    driver: core.interactions,
    attempts: createAttempts(systemClock),
    origin: site.origin,
  })
  const userinfo = userinfoHandler({
    accounts,
    readSubject: core.readSubject,
    loginAudience: settings.token.default_audience,
  })

  const route = async (req: IncomingMessage, res: ServerResponse, correlationId: string) => {
    const path = (req.url ?? '/').split('?', 1)[0] ?? '/'
    if (path === '/health') return sendJson(res, 200, { status: 'ok' })
    if (!path.startsWith(`${site.base}/`)) {
      return sendProblem(res, 'NOT_FOUND', `nothing is at ${path}`, correlationId)
    }
    const below = path.slice(site.base.length)
    if (below.startsWith('/interaction/')) {
      return interactions(req, res, below.slice('/interaction/'.length))
    }
    if (below === '/assets/idp.css') return sendAsset(res, 'text/css', STYLE_SHEET)
    if (below === '/assets/sign-out.js') return sendAsset(res, 'text/javascript', SIGN_OUT_SCRIPT)
    if (below === '/userinfo') return userinfo(req, res)
    if (req.method === 'POST' && (below === '/introspect' || below === '/revoke')) {
      const form = await readForm(req)
      if (form.kind === 'refused') {
        return sendProblem(
          res,
          'UNSUPPORTED_MEDIA_TYPE',
          'send a form of 56 KiB at most',
          correlationId,
        )
      }
      await byTokenId(form.fields)
      return core.handle(withForm(req, form.fields), res)
    }
    return core.handle(req, res)
  }

  /** The library knows tokens by id, and refuses a JWT unread: put the id in its place. */
  async function byTokenId(fields: URLSearchParams): Promise<void> {
    const [token, ...others] = fields.getAll('token')
    if (token === undefined || others.length > 0 || token.split('.').length !== 3) return
    const verified = await verify(token)
    fields.set('token', verified.kind === 'valid' ? verified.token.jti : 'not-a-token-of-ours')
  }

  const server = createServer((req, res) => {
    const correlationId = correlationIdFrom(req.headers['x-correlation-id'])
    res.setHeader('x-correlation-id', correlationId)
    if (site.secure) res.setHeader('strict-transport-security', 'max-age=31536000')
    route(req, res, correlationId).catch((err: unknown) => {
      log.error({ err, correlation_id: correlationId }, 'request failed')
      if (res.headersSent) return res.destroy()
      sendProblem(res, 'INTERNAL', 'the request failed; the log has the reason', correlationId)
    })
  })
  return {
    server,
    issuer: site.issuer,
    close: async () => {
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

function sendAsset(res: ServerResponse, type: string, text: string): void {
  res.writeHead(200, {
    'content-type': `${type}; charset=utf-8`,
    'cache-control': 'public, max-age=300',
    'x-content-type-options': 'nosniff',
  })
  res.end(text)
}
