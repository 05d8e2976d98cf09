import { createHash } from 'node:crypto'
import type { StoredEvent } from '@audience-bridge/contracts/event.ts'
import { ACCESS_EVENT, DECISION_EVENT } from '@audience-bridge/contracts/event.ts'
import { storeTime } from '../engine/time.ts'

/** A row of the table `events`; columns that a type has no use for are absent. */
export type EventRow = Readonly<Record<string, unknown>> & { readonly key: string }

/** Identity of an event, as 32 hex digits. JSON keeps `("a", "bc")` apart from `("ab", "c")`. */
function keyOf(source: string, id: string): string {
  return createHash('sha256')
    .update(JSON.stringify([source, id]))
    .digest('hex')
    .slice(0, 32)
}

/** Half a surrogate pair is legal in JSON and refused by the store: one would spoil a whole batch. */
function wellFormed<T>(value: T): T {
  if (typeof value === 'string') return value.toWellFormed() as T
  if (Array.isArray(value)) return value.map(wellFormed) as T
  return value
}

/** The row that stores `event`. */
export function rowOf(event: StoredEvent, receivedMs: number): EventRow {
  const { data } = event
  const key = keyOf(event.source, event.id)
  const common = {
    time: storeTime(Date.parse(event.time)),
    received_at: storeTime(receivedMs),
    source: event.source,
    id: event.id,
    subject: data.subject ?? '',
    roles: data.subject_roles,
    service: data.service,
    label: data.label ?? '',
  }
  const columns = { ...common, ...columnsOf(event) }
  const clean = Object.fromEntries(
    Object.entries(columns).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, wellFormed(value)]],
    ),
  )
  return { ...clean, key: BigInt(`0x${key}`).toString() }
}

function columnsOf(event: StoredEvent): Record<string, unknown> {
  if (event.type === ACCESS_EVENT) {
    const { route_id, method, path, status, elapsed_ms, resource, correlation_id } = event.data
    const { required_scope, token_scopes, scope_refused } = event.data
    const call = { route_id, method, path, status, elapsed_ms, resource, correlation_id }
    return { type: 'access', ...call, required_scope, token_scopes, scope_refused }
  }
  if (event.type === DECISION_EVENT) {
    const { data } = event
    return {
      type: 'decision',
      decision: data.decision,
      resource: data.resource,
      resource_id: data.resource_id,
      action: data.action,
      route_id: data.route_id,
      method: data.method,
      path: data.path,
      elapsed_ms: data.latency_ms,
      reason: data.reason,
      correlation_id: data.correlation_id,
    }
  }
  const { data } = event
  return {
    type: 'workflow',
    workflow: data.workflow_name,
    workflow_id: data.workflow_id,
    step: data.step_name,
    run_status: data.status,
    elapsed_ms: data.duration_ms,
    error: data.error,
  }
}
