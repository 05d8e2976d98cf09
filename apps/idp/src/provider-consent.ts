import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider'
import type { Context } from './provider-context.ts'
import type { TokenPolicy } from './token-policy.ts'

/** A first-party client's grant is made without asking, and anew for every login. */
export async function loadGrant({ provider: ready, policy }: Context, ctx: KoaContextWithOIDC) {
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
export function consentPolicy(policy: TokenPolicy): interactionPolicy.DefaultPolicy {
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
