import { audiencesOf, OIDC_SCOPES, reachableScopes } from './audience-policy.ts'
import type { IdpClients } from './idp-clients.ts'
import type { IdpSettings } from './idp-settings.ts'
import { isSecureUrl } from './local-hosts.ts'

/**
 * What the IdP's files allow and nothing leads to, one sentence each: what was found, and what it
 * will cause. No route need be concerned; the tokens in question are refused, all else works.
 */
export function findDeadEnds({ token }: Pick<IdpSettings, 'token'>, clients: IdpClients): string[] {
  const mappings = token.audience_mappings.scope_mappings
  const mapped = new Set(mappings.flatMap(({ audiences }) => audiences))
  const known = new Set(mappings.map(({ scope }) => scope))

  const found = mappings.flatMap(({ scope, implies }) =>
    implies
      .filter((implied) => !known.has(implied))
      .map((implied) => `scope "${scope}" implies "${implied}", which scope_mappings do not map`),
  )
  for (const [clientId, client] of Object.entries(clients)) {
    if (!client.enabled) continue
    for (const key of ['backchannel_logout_uri', 'frontchannel_logout_uri'] as const) {
      const uri = client[key]
      if (uri !== undefined && !isSecureUrl(uri)) {
        found.push(
          `client "${clientId}" has ${key} "${uri}", plain http on another host: it is told of no sign-out there`,
        )
      }
    }
    for (const audience of client.allowed_audiences) {
      if (!mapped.has(audience)) {
        found.push(
          `client "${clientId}" allows audience "${audience}", which no scope is mapped to: no token can carry it`,
        )
      }
    }
    for (const scope of client.scopes) {
      if (!OIDC_SCOPES.has(scope) && !known.has(scope)) {
        found.push(
          `client "${clientId}" may ask for scope "${scope}", which scope_mappings do not map: it leads to no audience`,
        )
      }
    }
    const reachable = new Set(
      [...reachableScopes(mappings, client.scopes)].flatMap((scope) => [
        ...audiencesOf(mappings, scope),
      ]),
    )
    for (const audience of client.allowed_audiences) {
      if (mapped.has(audience) && !reachable.has(audience)) {
        found.push(
          `client "${clientId}" allows audience "${audience}", but none of its scopes is mapped to it`,
        )
      }
    }
  }
  return found
}
