import type { ScopeMapping } from './idp-settings.ts'
import { indexMappings } from './mapping-index.ts'
import { nearMiss } from './near-miss.ts'

/*
 * The audience policy, pure. A token may carry an audience exactly when some granted scope (or a
 * scope that a granted one implies) is mapped to it AND the client's `allowed_audiences` hold it.
 * Audiences are compared as strings: `https://a` and `https://a/` are two audiences, because a
 * backend that compares exactly would take the one for a forgery of the other.
 */

/** The scopes of OpenID Connect: they lead to claims, never to an audience. */
export const OIDC_SCOPES: ReadonlySet<string> = new Set([
  'openid',
  'profile',
  'email',
  'offline_access',
])

export interface AudienceQuestion {
  clientId: string
  /** `allowed_audiences` of that client. */
  allowed: readonly string[]
  /** What the grant (or, without a user, the client) holds. */
  granted: readonly string[]
  audience: string
  /** The scopes asked for; undefined asks for all that lead to the audience. */
  requested: readonly string[] | undefined
}

/** Why a token is not given, in the words of the token endpoint (RFC 6749 §5.2, RFC 8707 §2). */
export interface AudienceRefusal {
  kind: 'refused'
  error: 'invalid_target' | 'invalid_scope'
  /** Public: becomes `error_description`. */
  description: string
}

export type AudienceDecision = { kind: 'granted'; scopes: string[] } | AudienceRefusal

/** Decides one token: which scopes it carries for `audience`, or which half of the rule is missing. */
export function decideAudience(
  mappings: readonly ScopeMapping[],
  question: AudienceQuestion,
): AudienceDecision {
  const { audience, allowed, clientId, granted, requested } = question
  const reachable = reachableScopes(mappings, granted)
  const leading = [...reachable].filter((scope) => audiencesOf(mappings, scope).has(audience))

  const missing: string[] = []
  if (leading.length === 0) {
    const mapped = [...reachable].flatMap((scope) => [...audiencesOf(mappings, scope)])
    missing.push(
      `is not mapped from any granted scope (granted: ${list(granted)})${nearHint(audience, mapped)}`,
    )
  }
  if (!allowed.includes(audience)) {
    missing.push(
      `is not in allowed_audiences of client ${quote(clientId)}${nearHint(audience, allowed)}`,
    )
  }
  if (missing.length > 0) {
    return refuse('invalid_target', `audience ${quote(audience)} ${missing.join('; and ')}`)
  }
  if (requested === undefined) return { kind: 'granted', scopes: leading }

  const faults = [...new Set(requested)].flatMap((scope) => {
    if (!reachable.has(scope)) {
      return [`scope ${quote(scope)} is neither granted nor implied (granted: ${list(granted)})`]
    }
    if (!leading.includes(scope)) {
      return [`scope ${quote(scope)} is not mapped to audience ${quote(audience)}`]
    }
    return []
  })
  if (faults.length > 0) return refuse('invalid_scope', faults.join('; '))
  return { kind: 'granted', scopes: [...new Set(requested)] }
}

/** The granted scopes and all that they imply, to the end. */
export function reachableScopes(
  mappings: readonly ScopeMapping[],
  granted: readonly string[],
): Set<string> {
  const index = indexMappings(mappings)
  const reached = new Set<string>()
  const open = [...granted]
  for (let scope = open.pop(); scope !== undefined; scope = open.pop()) {
    if (reached.has(scope)) continue
    reached.add(scope)
    open.push(...index.impliedBy(scope))
  }
  return reached
}

/** The audiences that a scope is mapped to itself, without what it implies. */
export function audiencesOf(mappings: readonly ScopeMapping[], scope: string): ReadonlySet<string> {
  return indexMappings(mappings).audiencesOf(scope)
}

function refuse(error: AudienceRefusal['error'], description: string): AudienceRefusal {
  return { kind: 'refused', error, description }
}

/** Quotes input for `error_description`, whose characters RFC 6749 §5.2 limits. */
export function quote(text: string): string {
  const safe = text.replace(/[^\x20-\x21\x23-\x5B\x5D-\x7E]/g, '?')
  return `'${safe.length > 200 ? `${safe.slice(0, 200)}...` : safe}'`
}

const list = (scopes: readonly string[]) =>
  scopes.length === 0 ? 'none' : quote(scopes.join(' ')).slice(1, -1)

/** Names the audience that was probably meant. A help for the reader, never a match. */
function nearHint(audience: string, candidates: readonly string[]): string {
  const bare = (text: string) => text.replace(/\/+$/, '')
  const near = candidates.find(
    (other) => other !== audience && bare(other).toLowerCase() === bare(audience).toLowerCase(),
  )
  if (near === undefined) return ''
  const difference = nearMiss(near, audience) ?? 'they differ by case and a trailing slash'
  return `, though ${quote(near)} is: ${difference}, and audiences compare exactly`
}
