import { audiencesOf, reachableScopes } from './audience-policy.ts'
import type { BffSettings, MintMethod } from './bff-settings.ts'
import type { ScopeMapping } from './idp-settings.ts'

/** What a service's token must be; the one place where V2 and the deprecated V1 map meet. */
export interface TokenRequirement {
  service: string
  audience: string
  scopes: readonly string[]
  requires: 'all' | 'any'
  mint: MintMethod
  /** Bound to a key of ours (RFC 9449); otherwise it must not be. */
  dpop: boolean
}

/**
 * @returns undefined when the service is in neither map: the BFF then has no token for it.
 * V1's list means any of its scopes, as the brief joins it with `|`.
 */
export function requirementOf(
  settings: BffSettings,
  service: string,
): TokenRequirement | undefined {
  const v1 = settings.service_tokens?.[service]
  const audience = settings.service_audiences[service] ?? v1?.audience
  if (audience === undefined) return undefined
  const v2 = settings.service_scopes[service]
  return {
    service,
    audience,
    scopes: v2?.scopes ?? v1?.scopes ?? [],
    requires: v2?.requires ?? 'any',
    mint: settings.service_mint[service] ?? 'token_exchange',
    dpop: settings.service_dpop[service] ?? false,
  }
}

/** Whether scopes that a token carries satisfy the requirement. */
export function scopesSatisfy(
  requirement: Pick<TokenRequirement, 'scopes' | 'requires'>,
  granted: ReadonlySet<string>,
): boolean {
  if (requirement.scopes.length === 0) return true
  return requirement.requires === 'all'
    ? requirement.scopes.every((scope) => granted.has(scope))
    : requirement.scopes.some((scope) => granted.has(scope))
}

export interface Reach {
  scopes: ReadonlySet<string>
  audiencesByScope: ReadonlyMap<string, ReadonlySet<string>>
}

/**
 * What granted scopes lead to under the IdP's mappings: themselves and what they imply, and the
 * audiences of each of these.
 */
export function reach(mappings: readonly ScopeMapping[], granted: readonly string[]): Reach {
  const scopes = reachableScopes(mappings, granted)
  return {
    scopes,
    audiencesByScope: new Map([...scopes].map((scope) => [scope, audiencesOf(mappings, scope)])),
  }
}
