import {
  type AudienceDecision,
  decideAudience,
  OIDC_SCOPES,
} from '@audience-bridge/chain/audience-policy.ts'
import type { IdpSettings } from '@audience-bridge/chain/idp-settings.ts'
import type { ClientPolicy, RegisteredClient } from './clients.ts'
import { splitScope } from './resources.ts'

/** Whatever the configuration says, a token that was exchanged for lives no longer. */
const EXCHANGED_SECONDS = 600

/** The audience rule, bound to one configuration. */
export interface TokenPolicy {
  /** Undefined for a client that is not registered. */
  client(clientId: string): ClientPolicy | undefined
  /** Every scope that means something here. */
  scopes: string[]
  /**
   * What a token carries when `resource` was named (RFC 8707) and the login holds `granted`. Only
   * scopes that were granted themselves: who wants the narrower ones that they imply exchanges.
   */
  forResource(clientId: string, resource: string, granted: readonly string[]): AudienceDecision
  /** Of the login's scopes, those that its own token shows: for the IdP and the default audience. */
  shownScope(clientId: string, granted: string): string
  /** Life of an exchanged token in seconds: never beyond its grant. */
  exchangedSeconds(grantSeconds: number): number
}

export function createTokenPolicy(
  token: IdpSettings['token'],
  clients: ReadonlyMap<string, RegisteredClient>,
): TokenPolicy {
  const mappings = token.audience_mappings.scope_mappings
  const client = (clientId: string) => clients.get(clientId)?.policy
  const decide = (clientId: string, audience: string, granted: readonly string[]) =>
    decideAudience(mappings, {
      clientId,
      allowed: client(clientId)?.allowedAudiences ?? [],
      granted,
      audience,
      requested: undefined,
    })

  return {
    client,
    scopes: [...new Set([...OIDC_SCOPES, ...mappings.flatMap((m) => [m.scope, ...m.implies])])],
    forResource(clientId, resource, granted) {
      const decision = decide(clientId, resource, granted)
      if (decision.kind === 'refused') return decision
      return { kind: 'granted', scopes: decision.scopes.filter((scope) => granted.includes(scope)) }
    },
    shownScope(clientId, granted) {
      const held = splitScope(granted) ?? []
      const decision = decide(clientId, token.default_audience, held)
      const leading = new Set(decision.kind === 'granted' ? decision.scopes : [])
      return held.filter((scope) => OIDC_SCOPES.has(scope) || leading.has(scope)).join(' ')
    },
    exchangedSeconds: (grantSeconds) =>
      Math.min(token.access_token_seconds, EXCHANGED_SECONDS, Math.max(1, grantSeconds)),
  }
}
