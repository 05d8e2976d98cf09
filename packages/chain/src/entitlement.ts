import { decideAudience, reachableScopes } from './audience-policy.ts'
import type { BridgeConfig } from './bridge-config.ts'
import type { Place } from './fault.ts'
import { audienceKey } from './judge.ts'
import { requirementOf } from './requirement.ts'

/** What token a client would be given for a service, and why. */
export interface Entitlement {
  client: string
  held: readonly string[]
  audience: string
  /** Undefined: whatever leads to the audience. */
  asked: readonly string[] | undefined
  /** Every ground of the decision, with its place. */
  grounds: readonly { text: string; at?: Place }[]
  token: { aud: string; scope: string } | undefined
  refusal: { error: string; description: string } | undefined
}

/**
 * @param target a service of the map, or an audience.
 * @returns a sentence that says what is missing, when the question cannot be asked.
 */
export function entitlementOf(
  config: BridgeConfig,
  clientId: string,
  held: readonly string[],
  target: string,
): Entitlement | string {
  const { idp, idpIndex, settings } = config
  if (idp === undefined || idpIndex === undefined) return "the IdP's files are not readable here"
  const client = idp.clients[clientId]
  if (client === undefined) return `clients.yaml has no client "${clientId}"`
  const requirement = requirementOf(settings, target)
  const known = idpIndex.mappings.some(({ audiences }) => audiences.includes(target))
  if (requirement === undefined && !known && !client.allowed_audiences.includes(target)) {
    return `"${target}" is neither a service of service_audiences nor an audience of the IdP`
  }
  const audience = requirement?.audience ?? target
  const isBff = clientId === settings.auth.client_id
  const asked =
    isBff && requirement && requirement.scopes.length > 0 ? requirement.scopes : undefined
  const beyond = held.filter(
    (scope) => !reachableScopes(idpIndex.mappings, client.scopes).has(scope),
  )
  const refused = !client.enabled
    ? { error: 'invalid_client', description: `client '${clientId}' is disabled` }
    : beyond.length > 0
      ? {
          error: 'invalid_scope',
          description: `client '${clientId}' may not hold ${beyond.join(' ')}`,
        }
      : undefined
  const decision = decideAudience(idpIndex.mappings, {
    clientId,
    allowed: client.allowed_audiences,
    granted: held,
    audience,
    requested: asked,
  })
  const refusal =
    refused ??
    (decision.kind === 'refused'
      ? { error: decision.error, description: decision.description }
      : undefined)
  return {
    client: clientId,
    held,
    audience,
    asked,
    grounds: groundsOf(config, clientId, held, target, audience),
    token:
      refusal === undefined && decision.kind === 'granted'
        ? { aud: audience, scope: decision.scopes.join(' ') }
        : undefined,
    refusal,
  }
}

function groundsOf(
  config: BridgeConfig,
  clientId: string,
  held: readonly string[],
  target: string,
  audience: string,
): Entitlement['grounds'] {
  const { idp, idpIndex, settings } = config
  if (idp === undefined || idpIndex === undefined) return []
  const { mappings } = idpIndex
  const requirement = requirementOf(settings, target)
  const grounds: { text: string; at?: Place }[] = []
  if (requirement !== undefined) {
    grounds.push({
      text: `the audience of ${target} is ${audience}`,
      at: config.placeOf('settings', audienceKey(config, target)),
    })
  }
  const reached = reachableScopes(mappings, held)
  for (const [i, mapping] of mappings.entries()) {
    if (!reached.has(mapping.scope) || !mapping.audiences.includes(audience)) continue
    const how = held.includes(mapping.scope) ? 'held' : 'implied by what is held'
    grounds.push({
      text: `${mapping.scope}, ${how}, leads to it`,
      at: config.placeOf('idp_settings', [
        ...['token', 'audience_mappings', 'scope_mappings'],
        ...[i, 'audiences', mapping.audiences.indexOf(audience)],
      ]),
    })
  }
  const allowed = idp.clients[clientId]?.allowed_audiences ?? []
  const at = allowed.indexOf(audience)
  grounds.push({
    text: `${clientId} may ${at === -1 ? 'not ' : ''}ask for it`,
    at: config.placeOf('idp_clients', [clientId, 'allowed_audiences', ...(at === -1 ? [] : [at])]),
  })
  return grounds
}
