import { nearMiss } from '@audience-bridge/chain/near-miss.ts'
import { scopesSatisfy, type TokenRequirement } from '@audience-bridge/chain/requirement.ts'

/** What a token says of itself, once its signature was checked or the IdP was asked. */
export interface TokenFacts {
  audiences: readonly string[]
  scopes: ReadonlySet<string>
  subject: string | undefined
  expiresAt: number | undefined
  issuedAt: number | undefined
  /** Thumbprint of the key that it is bound to (RFC 9449 §6); undefined: a bearer token. */
  jkt: string | undefined
}

/** What a token is held against besides the requirement. */
export interface TokenHolder {
  /** The session's user, or undefined for a machine token. */
  subject: string | undefined
  /** Seconds since the epoch. */
  now: number
  toleranceSeconds: number
  /** Whether a key is ours. */
  knowsKey: (jkt: string) => boolean
}

export type TokenJudgement =
  | { kind: 'fit'; expiresAt: number }
  | {
      kind: 'unfit'
      code: 'AUDIENCE_MISMATCH' | 'NO_TOKEN_AVAILABLE'
      found: string
      expected: string
    }

/**
 * Whether a token may be kept for a service and this session (design rule 3). Pure.
 *
 * The attacks: an IdP, a bug or a race hands out a token of another audience (its backend would
 * accept it from this one), of another user, with several audiences (each could use it at the
 * others), or an expired one. One that is bound to somebody else's key serves them, one that is not
 * bound where it was to be serves any thief. Nothing is normalised: what is nearly right is wrong.
 */
export function judgeToken(
  facts: TokenFacts,
  requirement: TokenRequirement,
  { subject, now, toleranceSeconds, knowsKey }: TokenHolder,
): TokenJudgement {
  const unfit = (
    code: 'AUDIENCE_MISMATCH' | 'NO_TOKEN_AVAILABLE',
    found: string,
    expected: string,
  ): TokenJudgement => ({ kind: 'unfit', code, found, expected })

  const [audience] = facts.audiences
  if (facts.audiences.length !== 1 || audience !== requirement.audience) {
    const near = audience === undefined ? undefined : nearMiss(audience, requirement.audience)
    const found =
      facts.audiences.length === 0 ? 'no audience' : `the audience ${quoted(facts.audiences)}`
    return unfit(
      'AUDIENCE_MISMATCH',
      near === undefined ? found : `${found}; ${near}`,
      `exactly "${requirement.audience}"`,
    )
  }
  if (subject !== undefined && facts.subject !== subject) {
    return unfit('NO_TOKEN_AVAILABLE', 'a token of another subject', "the session's own subject")
  }
  if (!scopesSatisfy(requirement, facts.scopes)) {
    return unfit(
      'NO_TOKEN_AVAILABLE',
      `the scopes ${quoted([...facts.scopes])}`,
      `${requirement.requires} of ${quoted(requirement.scopes)}`,
    )
  }
  if (facts.expiresAt === undefined) {
    return unfit('NO_TOKEN_AVAILABLE', 'a token without an expiry', 'a token that expires')
  }
  if (facts.expiresAt <= now - toleranceSeconds) {
    return unfit(
      'NO_TOKEN_AVAILABLE',
      `a token that expired ${now - facts.expiresAt} s ago`,
      'a token that is valid now',
    )
  }
  // Issued in what is our future: its `exp` is as far off, and backends would refuse it.
  if (facts.issuedAt !== undefined && facts.issuedAt > now + toleranceSeconds) {
    return unfit(
      'NO_TOKEN_AVAILABLE',
      `a token issued ${facts.issuedAt - now} s ahead of our clock`,
      `clocks that differ by at most ${toleranceSeconds} s (auth.clock_tolerance_seconds)`,
    )
  }
  const bound = bindingFault(facts.jkt, requirement.dpop, knowsKey)
  if (bound !== undefined) return unfit('NO_TOKEN_AVAILABLE', bound.found, bound.expected)
  return { kind: 'fit', expiresAt: facts.expiresAt }
}

function bindingFault(
  jkt: string | undefined,
  wanted: boolean,
  knowsKey: TokenHolder['knowsKey'],
): { found: string; expected: string } | undefined {
  if (wanted && jkt === undefined) {
    return {
      found: 'a token that is bound to no key',
      expected: 'one bound to ours (service_dpop)',
    }
  }
  if (!wanted && jkt !== undefined) {
    return { found: 'a token that is bound to a key', expected: 'a bearer token (service_dpop)' }
  }
  return jkt === undefined || knowsKey(jkt)
    ? undefined
    : { found: "a token that is bound to somebody else's key", expected: 'one bound to ours' }
}

const quoted = (words: readonly string[]) => words.map((word) => `"${word}"`).join(', ') || 'none'

/** `aud`, `scope` (or `scp`), `sub`, times and binding of a JWT payload or an introspection response. */
export function factsFrom(claims: Record<string, unknown>): TokenFacts {
  const { aud, scope, scp, sub, exp, iat, cnf } = claims
  const { jkt } = (typeof cnf === 'object' && cnf !== null ? cnf : {}) as { jkt?: unknown }
  const scopes =
    typeof scope === 'string' ? scope.split(' ') : Array.isArray(scp) ? scp.map(String) : []
  return {
    audiences: typeof aud === 'string' ? [aud] : Array.isArray(aud) ? aud.map(String) : [],
    scopes: new Set(scopes.filter((text) => text !== '')),
    subject: typeof sub === 'string' ? sub : undefined,
    expiresAt: typeof exp === 'number' ? exp : undefined,
    issuedAt: typeof iat === 'number' ? iat : undefined,
    jkt: typeof jkt === 'string' ? jkt : undefined,
  }
}
