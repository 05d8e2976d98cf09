import { type ScopeUsageRow, scopesIn, serves } from './scope-usage.ts'

/* How the calls of one service are read, each kind with its caution. */

export interface Evidence {
  /** What these calls needed must go on being there. */
  needing: ScopeUsageRow[]
  unreported: ScopeUsageRow[]
  /** With all that is configured now, and still refused. */
  refused: ScopeUsageRow[]
  /** Refused under other scopes than those of now, which may serve them or not. */
  unclear: ScopeUsageRow[]
}

/** What each kind of call says about a service whose tokens are asked for `present` now. */
export function sortEvidence(
  calls: readonly ScopeUsageRow[],
  present: ReadonlySet<string>,
): Evidence {
  const evidence: Evidence = { needing: [], unreported: [], refused: [], unclear: [] }
  for (const row of calls) {
    const carried = new Set(scopesIn(row.token_scopes))
    if (row.required_scope === null) evidence.unreported.push(row)
    // Refused once, and mended since: what is configured now serves it.
    else if (!row.refused || serves(present, row)) evidence.needing.push(row)
    else if ([...present].every((one) => carried.has(one))) evidence.refused.push(row)
    else evidence.unclear.push(row)
  }
  return evidence
}

export const neededBy = ({ required_scope }: ScopeUsageRow) => scopesIn(required_scope ?? '')

export const TRUNCATED = 'there were more kinds of calls than one answer holds; take fewer days'

/** What forbids a conclusion. */
export function doubtsOf(
  { unreported, refused, unclear }: Evidence,
  present: readonly string[],
  needed: readonly string[],
): string[] {
  const doubts: string[] = []
  if (unreported.length > 0) {
    doubts.push(
      `${count(unreported)} without a reported scope: let the service send X-Required-Scope (packages/resource-server does)`,
    )
  }
  if (unclear.length > 0) {
    doubts.push(
      `${count(unclear)} refused with other scopes than "${present.join(' ')}": call again, so that it shows whether these serve them`,
    )
  }
  // The broad scope may lack a power that a narrow one has: events are written with `api.write`, and
  // not with `application.all`. Less would then be more.
  const opened = refused.filter((row) => serves(new Set(needed), row))
  if (opened.length > 0) {
    doubts.push(
      `"${needed.join(' ')}" would open ${count(opened)} that were refused with "${present.join(' ')}"`,
    )
  }
  return doubts
}

const count = (rows: readonly ScopeUsageRow[]) => {
  const requests = rows.reduce((sum, row) => sum + row.requests, 0)
  return requests === 1 ? '1 call' : `${requests} calls`
}
