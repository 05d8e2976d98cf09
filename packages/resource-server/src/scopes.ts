import { renderChallenge } from './challenge.ts'

/*
 * Scopes: whether a call may go on, and which scope it needed. The need is reported and never
 * guessed from methods: only the backend knows it, and from what it reports `bridge narrow` finds
 * the fewest scopes that a service's tokens can do with.
 */

/** What a call needs; one of `anyOf` is enough. */
export interface ScopeNeed {
  /** Name the least powerful scope first: it is the one that challenge and report name. */
  anyOf: readonly [string, ...string[]]
  realm?: string | undefined
  resourceMetadata?: string | undefined
}

export type ScopeCheck =
  | {
      kind: 'granted'
      /** The least powerful scope that would have done, whatever more the token carries. */
      required: string
    }
  | {
      kind: 'refused'
      required: string
      status: 403
      error: 'insufficient_scope'
      description: string
      /** The value of `WWW-Authenticate`. */
      challenge: string
    }

/** Whether the token carries at least one of `need.anyOf`. */
export function requireScopes(token: { scopes: ReadonlySet<string> }, need: ScopeNeed): ScopeCheck {
  const [required] = need.anyOf
  if (need.anyOf.some((scope) => token.scopes.has(scope))) return { kind: 'granted', required }
  const has = token.scopes.size === 0 ? 'none' : [...token.scopes].join(' ')
  const description = `the token lacks the scope ${need.anyOf.join(' or ')}; it has ${has}`
  return {
    kind: 'refused',
    required,
    status: 403,
    error: 'insufficient_scope',
    description,
    challenge: renderChallenge({
      realm: need.realm,
      error: 'insufficient_scope',
      description,
      scope: required,
      resourceMetadata: need.resourceMetadata,
    }),
  }
}

/** Names the response header of {@link requiredScope}. */
export const REQUIRED_SCOPE_HEADER = 'x-required-scope'

/** What the header says of a call that needs no scope; no scope can be written so (RFC 6749 §3.3). */
export const NO_SCOPE = '""'

/**
 * The header by which a backend reports what a call needed: the least powerful sufficient scope,
 * several separated by spaces where all of them are needed, `""` where none is. Send it with every
 * answer, refusals and failures included: a call without it leaves open what it needed. A gateway
 * keeps it for itself (ours does, and strips it from what the browser gets).
 *
 * @param need undefined: the call needs no scope.
 */
export function requiredScope(need: Pick<ScopeNeed, 'anyOf'> | undefined): {
  [REQUIRED_SCOPE_HEADER]: string
} {
  return { [REQUIRED_SCOPE_HEADER]: need?.anyOf[0] ?? NO_SCOPE }
}
