import { z } from 'zod'

/**
 * The events that BFF and backends send to analytics: CloudEvents 1.0 in JSON, identified by
 * (`source`, `id`). The data follow the field names of the system's public documentation.
 */

export const ACCESS_EVENT = 'ai.empowernow.access'
export const DECISION_EVENT = 'ai.empowernow.authz.decision'
export const WORKFLOW_EVENT = 'ai.empowernow.workflow'

/** `required_scope` of a call that needs no scope; no scope can be written so (RFC 6749 §3.3). */
export const NO_SCOPE = '""'

const text = z.string().min(1).max(512)
const roles = z.array(z.string().min(1).max(128)).max(64).default([])

/** One request that a gateway or backend answered. */
export const accessData = z.strictObject({
  /** The user's `sub`; absent for anonymous requests. */
  subject: text.optional(),
  subject_roles: roles,
  /** The service that was called, for example `crud_service`. */
  service: text,
  route_id: text.optional(),
  method: z.string().min(1).max(16),
  /** Path without query: queries carry secrets. */
  path: z.string().min(1).max(2048),
  status: z.int().min(100).max(599),
  elapsed_ms: z.number().min(0),
  /**
   * What the service says this call needed, from `X-Required-Scope` of its answer: the least
   * powerful sufficient scope; several, separated by spaces, where all are; `""` where none is.
   */
  required_scope: text.optional(),
  /** The scopes that the call's token carried, separated by spaces. */
  token_scopes: z.string().max(1024).optional(),
  /** The service refused the call because the token lacks a scope (`insufficient_scope`). */
  scope_refused: z.boolean().optional(),
  /** The machine or resource, when it is known, for example a workstation's name. */
  resource: text.optional(),
  correlation_id: text.optional(),
  /** Set by the demo's generator on anomalies that it planted; never by a real service. */
  label: text.optional(),
})

/** One authorization decision. */
export const decisionData = z.strictObject({
  decision: z.enum(['Allow', 'Deny', 'NoMapping']),
  /** Type of the resource, for example `workflow`. */
  resource: text,
  action: text,
  resource_id: z.string().max(512).optional(),
  subject: text.optional(),
  subject_roles: roles,
  service: text,
  route_id: text.optional(),
  method: z.string().max(16).optional(),
  path: z.string().max(2048).optional(),
  latency_ms: z.number().min(0),
  reason: z.string().max(1024).optional(),
  correlation_id: text.optional(),
  label: text.optional(),
})

/** One change of state of a workflow run, or of one step in it. */
export const workflowData = z.strictObject({
  workflow_name: text,
  /** Identifies the run; the documented correlation id of workflow events. */
  workflow_id: text,
  /** Absent: the event is about the run as a whole. */
  step_name: text.optional(),
  status: z.enum(['started', 'succeeded', 'failed']),
  /** Since the start of the run or step; present once it ended. */
  duration_ms: z.number().min(0).optional(),
  error: z.string().max(2048).optional(),
  service: text,
  /** The user's `sub` on whose behalf it runs. */
  subject: text,
  subject_roles: roles,
  label: text.optional(),
})

const envelope = {
  specversion: z.literal('1.0'),
  id: z.string().min(1).max(256),
  source: z.string().min(1).max(512),
  /** RFC 3339; required here, though optional in CloudEvents: analytics is about time. */
  time: z.iso.datetime({ offset: true }),
  subject: z.string().max(512).optional(),
  datacontenttype: z.literal('application/json').optional(),
  dataschema: z.string().max(512).optional(),
}

export const bridgeEvent = z.discriminatedUnion('type', [
  z.object({ ...envelope, type: z.literal(ACCESS_EVENT), data: accessData }),
  z.object({ ...envelope, type: z.literal(DECISION_EVENT), data: decisionData }),
  z.object({ ...envelope, type: z.literal(WORKFLOW_EVENT), data: workflowData }),
])

export type BridgeEvent = z.input<typeof bridgeEvent>
export type StoredEvent = z.output<typeof bridgeEvent>

/** `POST /api/v1/analytics/events`: 200 once everything that was good is stored. */
export const ingestResponse = z.object({
  /** Stored now. */
  accepted: z.int(),
  /** Known already by (`source`, `id`); nothing changed. */
  duplicates: z.int(),
  /** By place in the batch; the good ones around them are kept. */
  rejected: z.array(z.object({ index: z.int(), id: z.string().optional(), detail: z.string() })),
})
export type IngestResponse = z.infer<typeof ingestResponse>
