import type { BffSettings, MintMethod } from './bff-settings.ts'
import type { IdpClient, IdpClients } from './idp-clients.ts'
import type { IdpSettings, ScopeMapping } from './idp-settings.ts'
import { indexMappings, type MappingIndex } from './mapping-index.ts'
import { looseAudience } from './near-miss.ts'
import { type Reach, reach } from './requirement.ts'

/**
 * What the links ask of the IdP's files, computed once for each configuration: every route asks the
 * same, and a link must cost the same with one route as with thousands.
 */
export interface IdpIndex {
  mappings: readonly ScopeMapping[]
  byMapping: MappingIndex
  /** The BFF's own client, also when it is disabled. */
  client: IdpClient | undefined
  clientScopes: ReadonlySet<string>
  clientGrants: ReadonlySet<string>
  redirectUris: ReadonlySet<string>
  allowedAudiences: ReadonlySet<string>
  /** What the login's scopes lead to. */
  login: Reach
  /** What the client's own scopes lead to, for tokens without a user. */
  machine: Reach
  /** Mapped audiences that differ from this one by case or trailing slash alone. */
  nearMapped(audience: string): readonly string[]
  nearAllowed(audience: string): readonly string[]
}

export function indexIdp(
  settings: BffSettings,
  idp: { settings: IdpSettings; clients: IdpClients },
): IdpIndex {
  const mappings = idp.settings.token.audience_mappings.scope_mappings
  const client = idp.clients[settings.auth.client_id]
  const allowed = client?.allowed_audiences ?? []
  return {
    mappings,
    byMapping: indexMappings(mappings),
    client,
    clientScopes: new Set(client?.scopes),
    clientGrants: new Set(client?.grant_types),
    redirectUris: new Set(client?.redirect_uris),
    allowedAudiences: new Set(allowed),
    login: reach(mappings, settings.auth.oauth_scopes.split(' ')),
    machine: reach(mappings, client?.scopes ?? []),
    nearMapped: nearIn(mappings.flatMap(({ audiences }) => audiences)),
    nearAllowed: nearIn(allowed),
  }
}

/** From which scopes a service's token is reached: the login's, or the client's own. */
export const reachFor = (idp: IdpIndex, mint: MintMethod): Reach =>
  mint === 'client_credentials' ? idp.machine : idp.login

function nearIn(audiences: readonly string[]): (audience: string) => readonly string[] {
  const byLoose = Map.groupBy(new Set(audiences), looseAudience)
  return (audience) =>
    byLoose.get(looseAudience(audience))?.filter((other) => other !== audience) ?? []
}
