import type { IncomingMessage, ServerResponse } from 'node:http'
import type { IdpSettings } from '@audience-bridge/chain/idp-settings.ts'
import Provider, {
  type Adapter,
  type ClientMetadata,
  type Configuration,
  errors,
  interactionPolicy,
  type KoaContextWithOIDC,
} from 'oidc-provider'
import type { Accounts } from './accounts/accounts.ts'
import type { ModelStore } from './adapter/adapter.ts'
import type { Audit } from './audit.ts'
import { accessTokenClaims, accountClaims } from './claims.ts'
import { decideMachineToken } from './client-credentials.ts'
import type { RegisteredClient } from './clients.ts'
import {
  ACCESS_TOKEN_TYPE,
  decideExchange,
  EXCHANGE_GRANT,
  EXCHANGE_PARAMS,
  type SubjectResult,
} from './exchange.ts'
import { type InteractionDriver, interactionDriver } from './interactions/driver.ts'
import { providerPages } from './interactions/provider-pages.ts'
import type { Keys } from './keys.ts'
import type { VerifyOwnToken } from './own-token.ts'
import { LOGIN_RESOURCE, providerSettings } from './provider-settings.ts'
import { type Refusal, splitScope } from './resources.ts'
import type { Site } from './site.ts'
import { subjectReader } from './subject.ts'
import { createTokenPolicy, type TokenPolicy } from './token-policy.ts'

/*
 * The only file that knows oidc-provider: it gives the library our policy, and gives us what the
 * library knows. Every access token is a JWT, which the library does not keep; we keep a row for
 * each under its `jti`, so that it can be introspected, revoked and traced to its login.
 */

export interface ProviderDeps {
  site: Site
  token: IdpSettings['token']
  clients: ReadonlyMap<string, RegisteredClient>
  keys: Keys
  store: ModelStore
  accounts: Accounts
  verify: VerifyOwnToken
  audit: Audit
}

export interface OidcCore {
  /** Answers a request whose path is below the issuer's. */
  handle(req: IncomingMessage, res: ServerResponse): Promise<void>
  interactions: InteractionDriver
  /** The login behind an access token, as it stands now. */
  readSubject(token: string): Promise<SubjectResult>
}

interface Context extends ProviderDeps {
  policy: TokenPolicy
  /** There once the provider is constructed: its hooks need it, and it needs its hooks. */
  provider: () => Provider
  sessionLives(uid: string, sub: string): Promise<boolean>
}

/** @throws Error naming, a line each, the clients whose registration the library refuses. */
export async function createProvider(deps: ProviderDeps): Promise<OidcCore> {
  const { site, clients, accounts } = deps
  const context: Context = {
    ...deps,
    policy: createTokenPolicy(deps.token, clients),
    provider: () => provider,
    sessionLives: async (uid, sub) => (await provider.Session.findByUid(uid))?.accountId === sub,
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
      sessionLives: context.sessionLives,
    },
    accounts,
  )
  registerExchange(context, readSubject)
  registerMachineTokens(context)
  observe(provider, deps.audit)
  useDefaults(context)

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
    await provider.Client.find(clientId).catch((cause: unknown) => {
      const reason = cause instanceof errors.OIDCProviderError ? cause.error_description : undefined
      faults.push(`client "${clientId}" cannot be registered: ${reason ?? cause}`)
    })
  }
  if (faults.length > 0) throw new Error(faults.join('\n'))
}

function configurationOf(context: Context): Configuration {
  const { site, token: tokens, clients, accounts, store, policy } = context
  const seconds = tokens.access_token_seconds
  const pages = providerPages(site)
  return {
    adapter: (model: string) => store.adapter(model) as Adapter,
    clients: [...clients.values()].map(
      ({ registration }) => registration as unknown as ClientMetadata,
    ),
    ...providerSettings(site, tokens, context.keys),
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
      if (sessionUid !== undefined && !(await context.sessionLives(sessionUid, sub)))
        return undefined
      return { accountId: sub, claims: () => accountClaims(user) }
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
      dPoP: { enabled: false },
      userinfo: { enabled: false },
      clientCredentials: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      introspection: {
        enabled: true,
        allowedPolicy: async (_ctx, client, token) => {
          if (token.kind === 'RefreshToken' && token.clientId !== client.clientId) return false
          const { sessionUid, accountId } = token as { sessionUid?: string; accountId?: string }
          return sessionUid === undefined || context.sessionLives(sessionUid, accountId ?? '')
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

/** RFC 8693; the decision is `decideExchange`'s. */
function registerExchange(
  { provider: ready, policy, token: tokens }: Context,
  readSubject: (token: string) => Promise<SubjectResult>,
): void {
  const provider = ready()
  const mappings = tokens.audience_mappings.scope_mappings
  provider.registerGrantType(
    EXCHANGE_GRANT,
    async (ctx) => {
      const { client, params } = ctx.oidc
      const { clientId } = client
      const allowed = policy.client(clientId)?.allowedAudiences ?? []
      const decision = await decideExchange(
        params,
        { clientId, allowed, mappings, loginAudience: tokens.default_audience },
        readSubject,
      )
      if (decision.kind === 'refused') throw refusal(decision)

      const { audience, scopes } = decision
      const { sub, grantId, sessionUid, sid, grantSeconds } = decision.subject
      const server = resourceServer(audience, scopes, policy.exchangedSeconds(grantSeconds))
      const token = new provider.AccessToken({
        ...{ client, accountId: sub, grantId, sessionUid, sid, gty: EXCHANGE_GRANT },
        scope: scopes.join(' '),
        resourceServer: new provider.ResourceServer(audience, server),
      })
      ctx.oidc.entity('AccessToken', token)
      ctx.body = {
        access_token: await token.save(),
        issued_token_type: ACCESS_TOKEN_TYPE,
        token_type: 'Bearer',
        expires_in: token.expiration,
        scope: token.scope,
      }
    },
    EXCHANGE_PARAMS,
    ['audience', 'resource'],
  )
}

/** RFC 6749 §4.4, with `audience` besides `resource`; the decision is `decideMachineToken`'s. */
function registerMachineTokens({ provider: ready, policy, token: tokens }: Context): void {
  const provider = ready()
  provider.registerGrantType(
    'client_credentials',
    async (ctx) => {
      const { client, params } = ctx.oidc
      const { clientId } = client
      const decision = decideMachineToken(params, {
        clientId,
        scopes: policy.client(clientId)?.scopes ?? [],
        allowed: policy.client(clientId)?.allowedAudiences ?? [],
        mappings: tokens.audience_mappings.scope_mappings,
        defaultAudience: tokens.default_audience,
      })
      if (decision.kind === 'refused') throw refusal(decision)
      const { audience, scopes } = decision
      const server = resourceServer(audience, scopes, tokens.access_token_seconds)
      const token = new provider.ClientCredentials({
        client,
        scope: scopes.join(' '),
        resourceServer: new provider.ResourceServer(audience, server),
      })
      ctx.oidc.entity('ClientCredentials', token)
      ctx.body = {
        access_token: await token.save(),
        token_type: 'Bearer',
        expires_in: token.expiration,
        scope: token.scope,
      }
    },
    ['scope', 'audience', 'resource'],
    ['audience', 'resource'],
  )
}

/** A first-party client's grant is made without asking, and anew for every login. */
async function loadGrant({ provider: ready, policy }: Context, ctx: KoaContextWithOIDC) {
  const provider = ready()
  const { client, session, result, resourceServers = {} } = ctx.oidc
  if (client === undefined || session?.accountId === undefined) return undefined
  if (policy.client(client.clientId)?.firstParty !== true) {
    const grantId = result?.consent?.grantId ?? session.grantIdFor(client.clientId)
    return grantId === undefined ? undefined : provider.Grant.find(grantId)
  }
  if (ctx.oidc.promptPending('login')) return undefined
  const requested = [...ctx.oidc.requestParamOIDCScopes]
  const grant = new provider.Grant({ accountId: session.accountId, clientId: client.clientId })
  if (requested.length > 0) grant.addOIDCScope(requested)
  for (const [resource, { scopes }] of Object.entries(resourceServers)) {
    const held = requested.filter((scope) => scopes.has(scope))
    if (held.length > 0) grant.addResourceScope(resource, held)
  }
  await grant.save()
  return grant
}

/** The library's policy, but that a first-party client's `prompt=consent` shows no page. */
function consentPolicy(policy: TokenPolicy): interactionPolicy.DefaultPolicy {
  const prompts = interactionPolicy.base()
  const checks = prompts.get('consent')?.checks
  checks?.remove('consent_prompt')
  checks?.add(
    new interactionPolicy.Check(
      'consent_prompt',
      'the user has to consent',
      'consent_required',
      ({ oidc }) => {
        const ours = policy.client(oidc.client?.clientId ?? '')?.firstParty === true
        return !ours && oidc.prompts.has('consent') && oidc.promptPending('consent')
      },
    ),
  )
  return prompts
}

/** Headers for every answer, and the truth about a login's token at the introspection endpoint. */
function useDefaults({ provider: ready, policy, token: tokens }: Context): void {
  ready().use(async (ctx, next) => {
    ctx.set({
      // The library's own pages post themselves by inline script, whose hash it adds here.
      'content-security-policy':
        "default-src 'none'; script-src; base-uri 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
    })
    await next()
    const { route, entities } = (ctx as Partial<KoaContextWithOIDC>).oidc ?? {}
    const answer = ctx.body as Record<string, unknown> | undefined
    if (route !== 'introspection' || answer?.active !== true) return
    const { AccessToken: token, ClientCredentials: machine } = entities ?? {}
    answer.jti = token?.jti ?? machine?.jti
    if (token?.aud === tokens.default_audience && token.gty !== EXCHANGE_GRANT) {
      answer.scope = policy.shownScope(token.clientId ?? '', token.scope ?? '')
    }
  })
}

function observe(provider: Provider, audit: Audit): void {
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

function resourceServer(audience: string, scopes: readonly string[], seconds: number) {
  return {
    audience,
    scope: scopes.join(' '),
    accessTokenTTL: seconds,
    accessTokenFormat: 'jwt' as const,
    jwt: { sign: { alg: 'ES256' as const } },
  }
}

/** The scopes that the request at hand is about: asked for, or else granted before. */
function scopesInPlay({ oidc }: KoaContextWithOIDC): string[] {
  const { AuthorizationCode: code, RefreshToken: refresh } = oidc.entities
  return splitScope(oidc.params?.scope) ?? splitScope(code?.scope ?? refresh?.scope) ?? []
}

function refusal({ error, description }: Refusal): errors.OIDCProviderError {
  return new errors.CustomOIDCProviderError(error, description)
}

const isLoginToken = (token: { resourceServer?: { identifier(): string } | undefined }) =>
  token.resourceServer?.identifier() === LOGIN_RESOURCE
