import { createHmac } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { IdpSettings } from '@audience-bridge/chain/idp-settings.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import type { Accounts } from './accounts/accounts.ts'
import type { Attempts } from './accounts/attempts.ts'
import type { ModelStore } from './adapter/adapter.ts'
import type { Audit } from './audit.ts'
import type { RegisteredClient } from './clients.ts'
import { readForm, sendProblem, withForm } from './http.ts'
import { LEAVE_SCRIPT, SIGN_OUT_SCRIPT, STYLE_SHEET } from './interactions/assets.ts'
import { interactionHandler } from './interactions/interactions.ts'
import { deriveSecret, type Keys, keysInOrder, publicKeys } from './keys.ts'
import type { LogoutDelivery } from './logout-delivery.ts'
import type { Metrics } from './metrics.ts'
import { ownTokenVerifier } from './own-token.ts'
import { createProvider } from './provider.ts'
import type { Site } from './site.ts'
import { userinfoHandler } from './userinfo.ts'

/** What outlives every change of the configuration. All state of logins is in here. */
export interface Ground {
  site: Site
  store: ModelStore
  accounts: Accounts
  attempts: Attempts
  audit: Audit
  metrics: Metrics
  addressOf(req: IncomingMessage): string
  /** The listener asks for them. */
  clientCertificates: boolean
  logouts: LogoutDelivery
  log: Logger
}

export interface ServiceConfig {
  version: string
  keys: Keys
  token: IdpSettings['token']
  clients: ReadonlyMap<string, RegisteredClient>
}

/** The IdP under one version of its configuration. It holds no state: several may serve at once. */
export interface Service {
  version: string
  token: IdpSettings['token']
  /** Ends every session of a user who is gone, and tells the clients. */
  endSessions(sub: string): Promise<void>
  /** Answers a request whose path, `below` the issuer's, is one of the IdP's. */
  handle(
    req: IncomingMessage,
    res: ServerResponse,
    below: string,
    correlationId: string,
  ): Promise<void>
}

/** @throws Error naming, a line each, the clients whose registration cannot work. */
export async function createService(ground: Ground, config: ServiceConfig): Promise<Service> {
  const { site, accounts, attempts, log } = ground
  const verify = ownTokenVerifier(site.issuer, publicKeys(config.keys))
  const core = await createProvider({ ...ground, ...config, verify })
  const interactions = interactionHandler({
    ...{ accounts, attempts, site, log, addressOf: ground.addressOf },
    driver: core.interactions,
    origin: site.origin,
  })
  const userinfo = userinfoHandler({
    accounts,
    readSubject: core.readSubject,
    verifyProof: core.verifyProof,
    loginAudience: config.token.default_audience,
  })

  /** The library knows tokens by id, and refuses a JWT unread: put the id in its place. */
  async function byTokenId(fields: URLSearchParams): Promise<void> {
    const [token, ...others] = fields.getAll('token')
    if (token === undefined || others.length > 0 || token.split('.').length !== 3) return
    const verified = await verify(token)
    fields.set('token', verified.kind === 'valid' ? verified.token.jti : 'not-a-token-of-ours')
  }

  return {
    version: config.version,
    token: config.token,
    endSessions: core.endSessions,
    async handle(req, res, below, correlationId) {
      if (below.startsWith('/interaction/')) {
        return interactions(req, res, below.slice('/interaction/'.length))
      }
      if (below === '/assets/idp.css') return sendAsset(res, 'text/css', STYLE_SHEET)
      if (below === '/assets/sign-out.js') return sendAsset(res, 'text/javascript', SIGN_OUT_SCRIPT)
      if (below === '/assets/leave.js') return sendAsset(res, 'text/javascript', LEAVE_SCRIPT)
      if (below === '/userinfo') return userinfo(req, res)
      if (req.method !== 'POST' || (below !== '/introspect' && below !== '/revoke')) {
        return core.handle(req, res)
      }
      const form = await readForm(req)
      if (form.kind === 'refused') {
        const detail = 'send a form of 56 KiB at most'
        return sendProblem(res, 'UNSUPPORTED_MEDIA_TYPE', detail, correlationId)
      }
      await byTokenId(form.fields)
      return core.handle(withForm(req, form.fields), res)
    },
  }
}

/**
 * Names a configuration. Keyed, because it covers the clients' secrets and is told to everybody: a
 * plain hash would let a weak secret be guessed by computing.
 */
export function versionOf(
  keys: Keys,
  token: IdpSettings['token'],
  clients: ReadonlyMap<string, RegisteredClient>,
): string {
  const kids = keysInOrder(keys, Date.now() / 1000).map(({ kid }) => kid)
  return createHmac('sha256', deriveSecret(keys, 'configuration'))
    .update(JSON.stringify([token, [...clients], kids]))
    .digest('hex')
    .slice(0, 12)
}

function sendAsset(res: ServerResponse, type: string, text: string): void {
  res.writeHead(200, {
    'content-type': `${type}; charset=utf-8`,
    'cache-control': 'public, max-age=300',
    'x-content-type-options': 'nosniff',
  })
  res.end(text)
}
