/**
 * Calls that are alike, as the analytics service counts them (`GET …/scope-usage`): the evidence on
 * which least privilege is decided.
 */
export interface ScopeUsageRow {
  service: string
  route_id: string | null
  method: string
  /** Separated by spaces, all of them needed; empty: none is. Null: the service reported nothing. */
  required_scope: string | null
  /** Separated by spaces. */
  token_scopes: string
  /** The service refused them because the token lacks a scope. */
  refused: boolean
  requests: number
  last_at: string
  sample_correlation_id: string | null
}

export interface ScopeUsage {
  rows: readonly ScopeUsageRow[]
  /** There were more rows than these. */
  truncated: boolean
}

export const scopesIn = (text: string): string[] => text.split(' ').filter((scope) => scope !== '')

/** Whether `scopes` hold every scope that the row's calls needed; what was not reported is not held. */
export function serves(scopes: ReadonlySet<string>, row: ScopeUsageRow): boolean {
  return row.required_scope !== null && scopesIn(row.required_scope).every((one) => scopes.has(one))
}
