import { renderChallenge } from './challenge.ts'

export type ScopeCheck =
  | { kind: 'granted' }
  | {
      kind: 'refused'
      status: 403
      error: 'insufficient_scope'
      description: string
      /** The value of `WWW-Authenticate`. */
      challenge: string
    }

/**
 * Whether the token carries at least one of `anyOf`. Name the least powerful scope first: it is the
 * one that the challenge asks for.
 */
export function requireScopes(
  token: { scopes: ReadonlySet<string> },
  need: {
    anyOf: readonly [string, ...string[]]
    realm?: string | undefined
    resourceMetadata?: string | undefined
  },
): ScopeCheck {
  if (need.anyOf.some((scope) => token.scopes.has(scope))) return { kind: 'granted' }
  const has = token.scopes.size === 0 ? 'none' : [...token.scopes].join(' ')
  const description = `the token lacks the scope ${need.anyOf.join(' or ')}; it has ${has}`
  return {
    kind: 'refused',
    status: 403,
    error: 'insufficient_scope',
    description,
    challenge: renderChallenge({
      realm: need.realm,
      error: 'insufficient_scope',
      description,
      scope: need.anyOf[0],
      resourceMetadata: need.resourceMetadata,
    }),
  }
}
