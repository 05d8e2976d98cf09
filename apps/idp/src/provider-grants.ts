import { errors } from 'oidc-provider'
import { decideMachineToken } from './client-credentials.ts'
import {
  ACCESS_TOKEN_TYPE,
  decideExchange,
  EXCHANGE_GRANT,
  EXCHANGE_PARAMS,
  type SubjectResult,
} from './exchange.ts'
import type { Context } from './provider-context.ts'
import { claimProof, readProof } from './provider-dpop.ts'
import type { Refusal } from './resources.ts'

/* The grants that are ours and not the library's. */

/** RFC 8693; the decision is `decideExchange`'s. */
export function registerExchange(
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
      const proof = await readProof(provider, ctx)
      const allowed = policy.client(clientId)?.allowedAudiences ?? []
      const decision = await decideExchange(
        params,
        {
          ...{ clientId, allowed, mappings, loginAudience: tokens.default_audience },
          provenKey: proof?.thumbprint,
        },
        readSubject,
      )
      if (decision.kind === 'refused') throw refusal(decision)
      await claimProof(provider, ctx, proof)

      const { audience, scopes } = decision
      const { sub, grantId, sessionUid, sid, grantSeconds } = decision.subject
      const server = resourceServer(audience, scopes, policy.exchangedSeconds(grantSeconds))
      const token = new provider.AccessToken({
        ...{ client, accountId: sub, grantId, sessionUid, sid, gty: EXCHANGE_GRANT },
        scope: scopes.join(' '),
        resourceServer: new provider.ResourceServer(audience, server),
      })
      if (proof !== undefined) token.setThumbprint('jkt', proof.thumbprint)
      ctx.oidc.entity('AccessToken', token)
      ctx.body = {
        access_token: await token.save(),
        issued_token_type: ACCESS_TOKEN_TYPE,
        token_type: token.tokenType,
        expires_in: token.expiration,
        scope: token.scope,
      }
    },
    EXCHANGE_PARAMS,
    ['audience', 'resource'],
  )
}

/** RFC 6749 §4.4, with `audience` besides `resource`; the decision is `decideMachineToken`'s. */
export function registerMachineTokens({ provider: ready, policy, token: tokens }: Context): void {
  const provider = ready()
  provider.registerGrantType(
    'client_credentials',
    async (ctx) => {
      const { client, params } = ctx.oidc
      const { clientId } = client
      const proof = await readProof(provider, ctx)
      const decision = decideMachineToken(params, {
        clientId,
        scopes: policy.client(clientId)?.scopes ?? [],
        allowed: policy.client(clientId)?.allowedAudiences ?? [],
        mappings: tokens.audience_mappings.scope_mappings,
        defaultAudience: tokens.default_audience,
      })
      if (decision.kind === 'refused') throw refusal(decision)
      await claimProof(provider, ctx, proof)
      const { audience, scopes } = decision
      const server = resourceServer(audience, scopes, tokens.access_token_seconds)
      const token = new provider.ClientCredentials({
        client,
        scope: scopes.join(' '),
        resourceServer: new provider.ResourceServer(audience, server),
      })
      if (proof !== undefined) token.setThumbprint('jkt', proof.thumbprint)
      ctx.oidc.entity('ClientCredentials', token)
      ctx.body = {
        access_token: await token.save(),
        token_type: token.tokenType,
        expires_in: token.expiration,
        scope: token.scope,
      }
    },
    ['scope', 'audience', 'resource'],
    ['audience', 'resource'],
  )
}

export function resourceServer(audience: string, scopes: readonly string[], seconds: number) {
  return {
    audience,
    scope: scopes.join(' '),
    accessTokenTTL: seconds,
    accessTokenFormat: 'jwt' as const,
    jwt: { sign: { alg: 'ES256' as const } },
  }
}

export function refusal({ error, description }: Refusal): errors.OIDCProviderError {
  return new errors.CustomOIDCProviderError(error, description)
}
