import { z } from 'zod'

/** What the analytics endpoints take and answer. Times are RFC 3339 in UTC. */

const instant = z.iso.datetime({ offset: true })

/** `crud` and `crud_service` name the same service in the brief; the query accepts both. */
const service = z.string().min(1).max(128)

const window = {
  /** Inclusive. Default: 7 days before `to`. */
  from: instant.optional(),
  /** Exclusive. Default: now. */
  to: instant.optional(),
}

export const INTERVALS = ['minute', 'hour', 'day', 'week'] as const

const interval = z.enum(INTERVALS).optional()
const limit = z.coerce.number().int().min(1).max(1000).default(100)

export const workflowsQuery = z.strictObject({
  ...window,
  interval,
  service: service.optional(),
  workflow: z.string().min(1).max(256).optional(),
  subject: z.string().min(1).max(256).optional(),
  limit,
})

export const authorizationMetricsQuery = z.strictObject({
  ...window,
  interval,
  service: service.optional(),
  subject: z.string().min(1).max(256).optional(),
  limit,
})

export const anomalousAccessPatternsQuery = z.strictObject({
  ...window,
  service: service.optional(),
  subject: z.string().min(1).max(256).optional(),
  /** 0 to 1. Default: the threshold of the method. */
  min_score: z.coerce.number().min(0).max(1).optional(),
  limit,
})

export const scopeUsageQuery = z.strictObject({ ...window, service: service.optional(), limit })

/** Whose rows the answer was computed over: readers see all, everybody else their own. */
const view = z.enum(['all', 'own'])

const head = { from: instant, to: instant, view }

export const workflowsResponse = z.object({
  ...head,
  interval: z.enum(INTERVALS),
  totals: z.object({
    runs: z.int(),
    succeeded: z.int(),
    failed: z.int(),
    running: z.int(),
    /** failed ÷ (succeeded + failed); 0 when nothing ended. */
    failure_rate: z.number(),
    duration_p50_ms: z.number().nullable(),
    duration_p95_ms: z.number().nullable(),
  }),
  series: z.array(z.object({ start: instant, runs: z.int(), succeeded: z.int(), failed: z.int() })),
  workflows: z.array(
    z.object({
      workflow: z.string(),
      service: z.string(),
      runs: z.int(),
      succeeded: z.int(),
      failed: z.int(),
      running: z.int(),
      failure_rate: z.number(),
      duration_p50_ms: z.number().nullable(),
      duration_p95_ms: z.number().nullable(),
      last_run_at: instant,
      /** Steps that failed, most failures first. */
      failing_steps: z.array(
        z.object({ step: z.string(), failures: z.int(), last_error: z.string().nullable() }),
      ),
    }),
  ),
})

export const authorizationMetricsResponse = z.object({
  ...head,
  interval: z.enum(INTERVALS),
  /** The service asked for, as its events name it; null for all. */
  service: z.string().nullable(),
  totals: z.object({
    decisions: z.int(),
    allow: z.int(),
    deny: z.int(),
    no_mapping: z.int(),
    deny_rate: z.number(),
    latency_p50_ms: z.number().nullable(),
    latency_p95_ms: z.number().nullable(),
  }),
  series: z.array(z.object({ start: instant, allow: z.int(), deny: z.int(), no_mapping: z.int() })),
  by_resource: z.array(
    z.object({
      service: z.string(),
      resource: z.string(),
      action: z.string(),
      decisions: z.int(),
      allow: z.int(),
      deny: z.int(),
      no_mapping: z.int(),
    }),
  ),
  top_denials: z.array(
    z.object({ subject: z.string().nullable(), reason: z.string(), denials: z.int() }),
  ),
})

/** Why a pattern scored as it did: the evidence in words and in numbers. */
export const anomalyReason = z.object({
  /** Stable name of the feature, for example `unusual_hour`. */
  feature: z.string(),
  /** One sentence for a person. */
  text: z.string(),
  observed: z.union([z.number(), z.string()]),
  expected: z.union([z.number(), z.string()]),
  /** Share of the score, 0 to 1. */
  weight: z.number(),
})

export const anomalousAccessPatternsResponse = z.object({
  ...head,
  method: z.object({ name: z.string(), version: z.string(), min_score: z.number() }),
  evaluated_events: z.int(),
  patterns: z.array(
    z.object({
      id: z.string(),
      subject: z.string(),
      roles: z.array(z.string()),
      service: z.string(),
      first_at: instant,
      last_at: instant,
      events: z.int(),
      /** 0 to 1, higher is stranger; comparable between subjects. */
      score: z.number(),
      reasons: z.array(anomalyReason),
    }),
  ),
})

/**
 * Which scopes calls needed and carried: the evidence for least privilege. Calls that were sent no
 * token, and calls that no backend answered, say nothing and are not in it.
 */
export const scopeUsageResponse = z.object({
  ...head,
  /** Calls that are alike, most requests first. */
  rows: z.array(
    z.object({
      service: z.string(),
      route_id: z.string().nullable(),
      method: z.string(),
      /**
       * The least powerful sufficient scope, as the service reported it; several, separated by
       * spaces, where all are needed; empty where none is; null where it reported nothing.
       */
      required_scope: z.string().nullable(),
      /** Separated by spaces. */
      token_scopes: z.string(),
      /** The service refused them because the token lacks a scope. */
      refused: z.boolean(),
      requests: z.int(),
      last_at: instant,
      /** Of the last of them, for `bridge explain`. */
      sample_correlation_id: z.string().nullable(),
    }),
  ),
  /** There is more than `limit` lets through: conclusions from the rows would miss calls. */
  truncated: z.boolean(),
})

export type WorkflowsQuery = z.output<typeof workflowsQuery>
export type WorkflowsResponse = z.infer<typeof workflowsResponse>
export type AuthorizationMetricsQuery = z.output<typeof authorizationMetricsQuery>
export type AuthorizationMetricsResponse = z.infer<typeof authorizationMetricsResponse>
export type ScopeUsageQuery = z.output<typeof scopeUsageQuery>
export type ScopeUsageResponse = z.infer<typeof scopeUsageResponse>
export type AnomalousAccessPatternsQuery = z.output<typeof anomalousAccessPatternsQuery>
export type AnomalousAccessPatternsResponse = z.infer<typeof anomalousAccessPatternsResponse>
