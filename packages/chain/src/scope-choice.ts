import type { IdpIndex } from './bridge-index.ts'
import type { Edit } from './patch.ts'
import { type Reach, reach } from './requirement.ts'

/* Which scopes to map, imply or ask for, so that a service's token can be had. */

const MAPPINGS = ['token', 'audience_mappings', 'scope_mappings'] as const

/**
 * Edits of the IdP's settings after which the scopes lead to the audience, and whoever holds `base`
 * may ask for them: the sessions of yesterday hold just that.
 *
 * @param base scopes of the login, or of the client.
 * @param wanted none: the widest of `base` is mapped itself.
 * @param text the audience as it is to be written.
 */
export function mapScopes(
  { mappings, byMapping }: IdpIndex,
  base: readonly string[],
  wanted: readonly string[],
  audience: string,
  text: string = audience,
): Edit[] {
  const wide = widest({ mappings, byMapping }, base)
  const reached = reach(mappings, base).scopes
  const scopes = wanted.length > 0 ? wanted : wide === undefined ? [] : [wide]
  return scopes.flatMap((scope): Edit[] => {
    const edits: Edit[] = []
    const at = mappings.findIndex((mapping) => mapping.scope === scope)
    if (at === -1) {
      edits.push({ op: 'append', path: MAPPINGS, value: { scope, audiences: [text] } })
    } else if (!byMapping.audiencesOf(scope).has(audience)) {
      edits.push({ op: 'append', path: [...MAPPINGS, at, 'audiences'], value: text })
    }
    if (!reached.has(scope) && wide !== undefined) {
      edits.push({ op: 'append', path: impliesPath(mappings, wide), value: scope })
    }
    return edits
  })
}

/** Of some scopes, the one that stands for others already, or else the first that leads anywhere. */
export function widest(
  { byMapping }: Pick<IdpIndex, 'mappings' | 'byMapping'>,
  scopes: readonly string[],
): string | undefined {
  return (
    scopes.find((scope) => byMapping.impliedBy(scope).length > 0) ??
    scopes.find((scope) => byMapping.audiencesOf(scope).size > 0)
  )
}

/** The list in which a mapped scope's narrower ones stand. */
export function impliesPath(mappings: IdpIndex['mappings'], scope: string) {
  return [...MAPPINGS, mappings.findIndex((mapping) => mapping.scope === scope), 'implies']
}

/**
 * The scope that a login lacks for an audience: one that the client may ask for, from which what the
 * service asks for is reached, and of these the one that leads to the fewest audiences.
 */
export function lackingScope(
  idp: IdpIndex,
  wanted: readonly string[],
  audience: string,
): string | undefined {
  const candidates = [...new Set(idp.mappings.map(({ scope }) => scope))].flatMap((scope) => {
    const reached = reach(idp.mappings, [scope])
    if (!leadsTo(reached, audience)) return []
    const misses = wanted.filter((one) => !reached.scopes.has(one)).length
    const cost = (idp.clientScopes.has(scope) ? 0 : 1e6) + misses * 1e3 + breadth(reached)
    return [{ scope, cost }]
  })
  return candidates.sort((a, b) => a.cost - b.cost)[0]?.scope
}

const leadsTo = ({ audiencesByScope }: Reach, audience: string) =>
  [...audiencesByScope.values()].some((audiences) => audiences.has(audience))

export const breadth = ({ audiencesByScope }: Reach) =>
  new Set([...audiencesByScope.values()].flatMap((audiences) => [...audiences])).size
