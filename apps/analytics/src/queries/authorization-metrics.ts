import type {
  AuthorizationMetricsQuery,
  AuthorizationMetricsResponse,
} from '@audience-bridge/contracts/analytics.ts'
import type { Engine } from '../engine/engine.ts'
import { bucketOf, count, filterOf, rate, type Viewer } from './filter.ts'
import { gridOf, instant, windowOf } from './window.ts'

const TALLY = `
  count() AS decisions,
  countIf(decision = 'Allow') AS allow,
  countIf(decision = 'Deny') AS deny,
  countIf(decision = 'NoMapping') AS no_mapping`

interface Tally {
  decisions: string
  allow: string
  deny: string
  no_mapping: string
}

const tallyOf = (row: Tally) => ({
  decisions: count(row.decisions),
  allow: count(row.allow),
  deny: count(row.deny),
  no_mapping: count(row.no_mapping),
})

/** Which decisions were made on what, and who was refused why. */
export async function readAuthorizationMetrics(
  engine: Engine,
  query: AuthorizationMetricsQuery,
  viewer: Viewer,
  nowMs: number,
): Promise<AuthorizationMetricsResponse> {
  const window = windowOf(query, nowMs)
  const grid = gridOf(window, query.interval)
  const { where, params } = filterOf('decision', window, query, viewer)
  const listed = { ...params, limit: query.limit }

  const [totals, points, resources, denials] = await Promise.all([
    engine.query<Tally & { p50: number | null; p95: number | null; named: string }>(
      `SELECT ${TALLY},
        quantileTDigestOrNull(0.5)(elapsed_ms) AS p50,
        quantileTDigestOrNull(0.95)(elapsed_ms) AS p95,
        anyHeavy(service) AS named
      FROM events WHERE ${where}`,
      params,
    ),
    engine.query<Tally & { bucket: string }>(
      `SELECT ${bucketOf('time')} AS bucket, ${TALLY} FROM events WHERE ${where} GROUP BY bucket`,
      { ...params, origin: grid.originMs, size: grid.sizeMs },
    ),
    engine.query<Tally & { service: string; resource: string; action: string }>(
      `SELECT service, resource, action, ${TALLY} FROM events WHERE ${where}
      GROUP BY service, resource, action
      ORDER BY decisions DESC, service, resource, action LIMIT {limit: UInt32}`,
      listed,
    ),
    engine.query<{ subject: string; why: string; denials: string }>(
      `SELECT subject, if(reason = '', 'no reason given', reason) AS why, count() AS denials
      FROM events WHERE ${where} AND decision = 'Deny'
      GROUP BY subject, why
      ORDER BY denials DESC, subject, why LIMIT {limit: UInt32}`,
      listed,
    ),
  ])

  const [total] = totals
  const sum = tallyOf(total ?? { decisions: '0', allow: '0', deny: '0', no_mapping: '0' })
  const byBucket = new Map(points.map((row) => [count(row.bucket), tallyOf(row)]))
  return {
    from: instant(window.fromMs),
    to: instant(window.toMs),
    view: viewer.view,
    interval: grid.interval,
    service: query.service === undefined ? null : total?.named || query.service,
    totals: {
      ...sum,
      deny_rate: rate(sum.deny, sum.decisions),
      latency_p50_ms: total?.p50 ?? null,
      latency_p95_ms: total?.p95 ?? null,
    },
    series: grid.starts.map((start, i) => {
      const point = byBucket.get(i)
      return {
        start,
        allow: point?.allow ?? 0,
        deny: point?.deny ?? 0,
        no_mapping: point?.no_mapping ?? 0,
      }
    }),
    by_resource: resources.map((row) => ({
      service: row.service,
      resource: row.resource,
      action: row.action,
      ...tallyOf(row),
    })),
    top_denials: denials.map((row) => ({
      subject: row.subject === '' ? null : row.subject,
      reason: row.why,
      denials: count(row.denials),
    })),
  }
}
