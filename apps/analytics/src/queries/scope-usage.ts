import type { ScopeUsageQuery, ScopeUsageResponse } from '@audience-bridge/contracts/analytics.ts'
import { NO_SCOPE } from '@audience-bridge/contracts/event.ts'
import type { Engine } from '../engine/engine.ts'
import { count, filterOf, type Viewer } from './filter.ts'
import { instant, windowOf } from './window.ts'

/**
 * Answers of a gateway in place of a backend that gave none (499: the caller left before). Without a
 * report they show nothing; a backend that reports does so with its own 503 too.
 */
const UNANSWERED = '(499, 502, 503, 504)'

interface Row {
  service: string
  route_id: string
  method: string
  required_scope: string
  token_scopes: string
  scope_refused: boolean
  requests: string
  last_ms: string
  sample: string
}

/** Which scopes calls needed, as their services reported, and which their tokens carried. */
export async function readScopeUsage(
  engine: Engine,
  query: ScopeUsageQuery,
  viewer: Viewer,
  nowMs: number,
): Promise<ScopeUsageResponse> {
  const window = windowOf(query, nowMs)
  const { where, params } = filterOf('access', window, query, viewer)
  const rows = await engine.query<Row>(
    `SELECT service, route_id, method, required_scope, token_scopes, scope_refused,
      count() AS requests,
      toUnixTimestamp64Milli(max(time)) AS last_ms,
      argMax(correlation_id, time) AS sample
    FROM events
    WHERE ${where}
      AND (required_scope != '' OR (token_scopes != '' AND status NOT IN ${UNANSWERED}))
    GROUP BY service, route_id, method, required_scope, token_scopes, scope_refused
    ORDER BY requests DESC, service, route_id, method, required_scope, token_scopes, scope_refused
    LIMIT {limit: UInt32}`,
    { ...params, limit: query.limit + 1 },
  )
  return {
    from: instant(window.fromMs),
    to: instant(window.toMs),
    view: viewer.view,
    rows: rows.slice(0, query.limit).map((row) => ({
      service: row.service,
      route_id: textOrNull(row.route_id),
      method: row.method,
      required_scope: row.required_scope === NO_SCOPE ? '' : textOrNull(row.required_scope),
      token_scopes: row.token_scopes,
      refused: row.scope_refused,
      requests: count(row.requests),
      last_at: instant(count(row.last_ms)),
      sample_correlation_id: textOrNull(row.sample),
    })),
    truncated: rows.length > query.limit,
  }
}

const textOrNull = (text: string) => (text === '' ? null : text)
