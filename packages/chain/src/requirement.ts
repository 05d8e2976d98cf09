import type { BffSettings, MintMethod } from './bff-settings.ts'
import type { ScopeMapping } from './idp-settings.ts'

/** What a service's token must be; the one place where V2 and the deprecated V1 map meet. */
export interface TokenRequirement {
  service: string
  audience: string
  scopes: readonly string[]
  requires: 'all' | 'any'
  mint: MintMethod
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

/**
 * What granted scopes lead to under the IdP's mappings: themselves and what they imply, and the
 * audiences of each of these. Implication is transitive; a cycle ends where it began.
 */
export function reach(
  mappings: readonly ScopeMapping[],
  granted: Iterable<string>,
): { scopes: Set<string>; audiencesByScope: Map<string, Set<string>> } {
  const scopes = new Set<string>(granted)
  const audiencesByScope = new Map<string, Set<string>>()
  for (const scope of scopes) {
    const audiences = new Set<string>()
    for (const mapping of mappings) {
      if (mapping.scope !== scope) continue
      for (const audience of mapping.audiences) audiences.add(audience)
      // A set visits what is added while it is walked, so implied scopes have their turn too.
      for (const implied of mapping.implies) scopes.add(implied)
    }
    audiencesByScope.set(scope, audiences)
  }
  return { scopes, audiencesByScope }
}

/** How two audiences that must be equal differ, where they nearly are. */
export function nearMiss(found: string, expected: string): string | undefined {
  if (found === expected) return undefined
  if (found.replace(/\/+$/, '') === expected.replace(/\/+$/, ''))
    return 'they differ by a trailing slash'
  if (found.toLowerCase() === expected.toLowerCase()) return 'they differ by upper and lower case'
  return undefined
}
