import type { IncomingMessage, ServerResponse } from 'node:http'
import Provider, {
  type Adapter,
  type ClientMetadata,
  type Configuration,
  errors,
  type KoaContextWithOIDC,
} from 'oidc-provider'
import { accessTokenClaims, accountClaims } from './claims.ts'
import { EXCHANGE_GRANT, type SubjectResult } from './exchange.ts'
import { type InteractionDriver, interactionDriver } from './interactions/driver.ts'
import { providerPages } from './interactions/provider-pages.ts'
import { useDefaults } from './provider-answers.ts'
import { followPublishedKeys } from './provider-client-keys.ts'
import { consentPolicy, loadGrant } from './provider-consent.ts'
import type { Context, ProviderDeps } from './provider-context.ts'
import { dpopFeature, proofVerifier, type VerifyProof } from './provider-dpop.ts'
import {
  refusal,
  registerExchange,
  registerMachineTokens,
  resourceServer,
} from './provider-grants.ts'
import { deliverLogouts, sessionEnder, showFrames } from './provider-logout.ts'
import { claimOnce, endReplayedGrants } from './provider-replay.ts'
import { CLIENT_AUTH_METHODS, LOGIN_RESOURCE, providerSettings } from './provider-settings.ts'
import { CERTIFICATE_METHODS, clientCertificates } from './provider-tls.ts'
import { splitScope } from './resources.ts'
import { subjectReader } from './subject.ts'
import { createTokenPolicy } from './token-policy.ts'

/*
 * With its parts, `provider-*.ts`, the only place that knows oidc-provider: it gives the library our
 * policy, and gives us what the library knows. Every access token is a JWT, which the library does not keep; we keep a row for
 * each under its `jti`, so that it can be introspected, revoked and traced to its login.
 */

export interface OidcCore {
  /** Answers a request whose path is below the issuer's. */
  handle(req: IncomingMessage, res: ServerResponse): Promise<void>
  interactions: InteractionDriver
  /** The login behind an access token, as it stands now. */
  readSubject(token: string): Promise<SubjectResult>
  /** Ends every session of a user who is gone, and tells the clients. */
  endSessions(sub: string): Promise<void>
  /** Of requests to `/userinfo`. */
  verifyProof: VerifyProof
}

/** @throws Error naming, a line each, the clients whose registration the library refuses. */
export async function createProvider(deps: ProviderDeps): Promise<OidcCore> {
  const { site, clients, accounts } = deps
  const context: Context = {
    ...deps,
    policy: createTokenPolicy(deps.token, clients),
    provider: () => provider,
    sessionEnd: async (uid, sub) => {
      const session = await provider.Session.findByUid(uid)
      return session?.accountId === sub ? session.exp : undefined
    },
  }
  const provider = new Provider(site.issuer, configurationOf(context))
  provider.proxy = false
  // Every URL and cookie follows the issuer, whatever Host header a request came with.
  Object.defineProperties(provider.request, {
    protocol: { get: () => site.protocol },
    host: { get: () => site.host },
  })
  // ID tokens and sessions name each other: the claim `sid`.
  Object.defineProperty(provider.Client.prototype, 'includeSid', { value: () => true })

  const readSubject = subjectReader(
    deps.verify,
    {
      userToken: (jti) => provider.AccessToken.find(jti),
      isMachineToken: async (jti) => (await provider.ClientCredentials.find(jti)) !== undefined,
      grant: (id) => provider.Grant.find(id),
      sessionLives: async (uid, sub) => (await context.sessionEnd(uid, sub)) !== undefined,
    },
    accounts,
  )
  endReplayedGrants(provider)
  claimOnce(provider, deps.store)
  registerExchange(context, readSubject)
  registerMachineTokens(context)
  observe(provider, deps)
  useDefaults(context)
  deliverLogouts(provider, deps.logouts)
  showFrames(context, providerPages(site).leave)

  await registerAll(provider, clients.keys())
  const callback = provider.callback()
  return {
    interactions: interactionDriver({
      details: (req, res) =>
        provider.interactionDetails(req, res).catch((error: unknown) => {
          if (error instanceof errors.SessionNotFound) return undefined
          throw error
        }),
      finish: (req, res, result, options) =>
        provider.interactionFinished(req, res, result, options),
      grant: async (id, owner) =>
        (id === undefined ? undefined : await provider.Grant.find(id)) ?? new provider.Grant(owner),
      loginResource: LOGIN_RESOURCE,
    }),
    readSubject,
    endSessions: sessionEnder(context),
    verifyProof: proofVerifier(provider, `${site.issuer}/userinfo`),
    handle: async (req: IncomingMessage & { originalUrl?: string }, res) => {
      const url = req.url ?? '/'
      req.originalUrl = url
      req.url = url.slice(site.base.length) || '/'
      await callback(req, res)
    },
  }
}

/** The library reads a client's metadata when first asked: ask now, not at the first login. */
async function registerAll(provider: Provider, clientIds: Iterable<string>): Promise<void> {
  const faults: string[] = []
  for (const clientId of clientIds) {
    const client = await provider.Client.find(clientId).catch((cause: unknown) => {
      const reason = cause instanceof errors.OIDCProviderError ? cause.error_description : undefined
      faults.push(`client "${clientId}" cannot be registered: ${reason ?? cause}`)
      return undefined
    })
    if (client !== undefined) followPublishedKeys(client)
  }
  if (faults.length > 0) throw new Error(faults.join('\n'))
}

function configurationOf(context: Context): Configuration {
  const { site, token: tokens, clients, accounts, store, policy } = context
  const seconds = tokens.access_token_seconds
  const pages = providerPages(site)
  return {
    adapter: (model: string) =>
      store.adapter(model, model === 'RefreshToken' ? tokens.refresh_reuse_seconds : 0) as Adapter,
    clients: [...clients.values()].map(
      ({ registration }) => registration as unknown as ClientMetadata,
    ),
    ...providerSettings(site, tokens, context.keys),
    clientAuthMethods: [
      ...CLIENT_AUTH_METHODS,
      ...(context.clientCertificates ? CERTIFICATE_METHODS : []),
    ],
    scopes: policy.scopes,
    pkce: { required: () => true },
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    // Tokens do end with the session, but by `findAccount`: the library ties a session to one grant
    // a client, and would end the login of one tab when another tab signs in.
    expiresWithSession: async () => false,
    findAccount: async (_ctx, sub, source) => {
      const user = accounts.find(sub)
      const { sessionUid } = (source ?? {}) as { sessionUid?: string }
      if (user === undefined) return undefined
      if (sessionUid === undefined) return { accountId: sub, claims: () => accountClaims(user) }
      const sessionEnd = await context.sessionEnd(sessionUid, sub)
      if (sessionEnd === undefined) return undefined
      const claims = () => ({ ...accountClaims(user), session_expiry: sessionEnd })
      return { accountId: sub, claims }
    },
    extraTokenClaims: (_ctx, token) => {
      if (token.kind !== 'AccessToken') return undefined
      const actor = token.gty === EXCHANGE_GRANT ? token.clientId : undefined
      return accessTokenClaims(accounts.find(token.accountId), actor)
    },
    formats: {
      customizers: {
        jwt: async (_ctx, token, { payload }) => {
          const { iat, exp, jti } = payload as { iat: number; exp: number; jti: string }
          const { IN_PAYLOAD: members } = token.constructor as unknown as { IN_PAYLOAD: string[] }
          const row = Object.fromEntries(members.map((name) => [name, Reflect.get(token, name)]))
          await store.adapter(token.kind).upsert(jti, { ...row, jti, iat, exp }, exp - iat)
          if (isLoginToken(token)) {
            payload.scope = policy.shownScope(token.clientId ?? '', token.scope ?? '') || undefined
          }
        },
      },
    },
    loadExistingGrant: (ctx) => loadGrant(context, ctx),
    interactions: {
      policy: consentPolicy(policy),
      url: (_ctx, { uid }) => `${site.base}/interaction/${uid}`,
    },
    renderError: (ctx, out) => pages.error(ctx, out.error, out.error_description),
    features: {
      devInteractions: { enabled: false },
      dPoP: dpopFeature(tokens, context.keys),
      mTLS: clientCertificates(context.clientCertificates),
      userinfo: { enabled: false },
      clientCredentials: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      introspection: {
        enabled: true,
        allowedPolicy: async (_ctx, client, token) => {
          if (token.kind === 'RefreshToken' && token.clientId !== client.clientId) return false
          const { sessionUid, accountId } = token as { sessionUid?: string; accountId?: string }
          if (sessionUid === undefined) return true
          return (await context.sessionEnd(sessionUid, accountId ?? '')) !== undefined
        },
      },
      revocation: {
        enabled: true,
        allowedPolicy: async (_ctx, client, token) => {
          if (token.clientId !== client.clientId) {
            throw new errors.InvalidRequest('the token was issued to another client')
          }
          if (token.kind !== 'AccessToken') return true
          // An access token is revoked alone. The library would end its whole grant, and so with one
          // service's token the user's session at every other service.
          await token.destroy()
          return false
        },
      },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => {
          const hinted = ctx.oidc.entities.IdTokenHint?.payload.sub
          const proven = hinted !== undefined && hinted === ctx.oidc.session?.accountId
          pages.signOut(ctx, form, proven)
        },
        postLogoutSuccessSource: (ctx) => pages.signedOut(ctx),
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_ctx, _client, oneOf) =>
          oneOf === undefined || oneOf.includes(LOGIN_RESOURCE) ? LOGIN_RESOURCE : oneOf,
        getResourceServerInfo: (ctx, resource, client) => {
          const granted = scopesInPlay(ctx)
          if (resource === LOGIN_RESOURCE) {
            return resourceServer(tokens.default_audience, granted, seconds)
          }
          const decision = policy.forResource(client.clientId, resource, granted)
          if (decision.kind === 'refused') throw refusal(decision)
          return resourceServer(resource, decision.scopes, seconds)
        },
      },
    },
  }
}

function observe(provider: Provider, { audit, metrics }: ProviderDeps): void {
  provider.on('grant.success', metrics.granted)
  provider.on('grant.error', metrics.refused)
  provider.on('grant.success', audit.issued)
  provider.on('grant.error', audit.refused)
  provider.on('authorization.error', audit.refused)
  provider.on('pushed_authorization_request.error', audit.refused)
  provider.on('introspection.error', audit.refused)
  provider.on('revocation.error', audit.refused)
  provider.on('end_session.error', audit.refused)
  provider.on('end_session.success', audit.signedOut)
  provider.on('server_error', audit.failed)
}

/** The scopes that the request at hand is about: asked for, or else granted before. */
function scopesInPlay({ oidc }: KoaContextWithOIDC): string[] {
  const { AuthorizationCode: code, RefreshToken: refresh } = oidc.entities
  return splitScope(oidc.params?.scope) ?? splitScope(code?.scope ?? refresh?.scope) ?? []
}

const isLoginToken = (token: { resourceServer?: { identifier(): string } | undefined }) =>
  token.resourceServer?.identifier() === LOGIN_RESOURCE
