import type { ScopeMapping } from './idp-settings.ts'

/** `scope_mappings` by scope and by audience; several entries of one scope add up. */
export interface MappingIndex {
  audiencesOf(scope: string): ReadonlySet<string>
  impliedBy(scope: string): readonly string[]
  /** Scopes that are mapped to the audience themselves, in the order of the file. */
  scopesOf(audience: string): readonly string[]
}

const NO_AUDIENCES: ReadonlySet<string> = new Set()
const built = new WeakMap<readonly ScopeMapping[], MappingIndex>()

/**
 * The index of a list of mappings, built once for each list (lists never change): with a thousand
 * services a search through the list for every scope of every token would be the whole cost.
 */
export function indexMappings(mappings: readonly ScopeMapping[]): MappingIndex {
  const known = built.get(mappings)
  if (known !== undefined) return known
  const audiences = new Map<string, Set<string>>()
  const implied = new Map<string, string[]>()
  const scopes = new Map<string, Set<string>>()
  for (const mapping of mappings) {
    const own = entry(audiences, mapping.scope, () => new Set())
    for (const audience of mapping.audiences) {
      own.add(audience)
      entry(scopes, audience, () => new Set()).add(mapping.scope)
    }
    entry(implied, mapping.scope, () => []).push(...mapping.implies)
  }
  const byAudience = new Map([...scopes].map(([audience, set]) => [audience, [...set]]))
  const index: MappingIndex = {
    audiencesOf: (scope) => audiences.get(scope) ?? NO_AUDIENCES,
    impliedBy: (scope) => implied.get(scope) ?? [],
    scopesOf: (audience) => byAudience.get(audience) ?? [],
  }
  built.set(mappings, index)
  return index
}

function entry<V>(map: Map<string, V>, key: string, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const value = make()
  map.set(key, value)
  return value
}
