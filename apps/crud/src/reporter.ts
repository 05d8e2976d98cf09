import { DECISION_EVENT, WORKFLOW_EVENT } from '@audience-bridge/contracts/event.ts'
import type { Outbox } from '@audience-bridge/outbox/outbox.ts'
import type { Decision } from './access.ts'
import type { Caller } from './caller.ts'

/** The service's name in events and routes. */
export const SERVICE = 'crud_service'
/** The `source` of its events. */
export const SOURCE = 'urn:audience-bridge:crud_service'

export interface DecisionReport extends Decision {
  caller: Caller
  resource: 'project' | 'workflow' | 'workflow_run'
  resourceId?: string | undefined
  action: string
  latencyMs: number
  request: { method: string; path: string; correlationId: string }
}

export interface WorkflowReport {
  workflow: string
  runId: string
  /** Absent: about the run as a whole. */
  step?: string
  status: 'started' | 'succeeded' | 'failed'
  durationMs?: number
  error?: string
  caller: Caller
}

/** Tells analytics what was decided and what ran; access itself is reported by the gateway. */
export interface Reporter {
  decision(report: DecisionReport): void
  workflow(report: WorkflowReport): void
}

export function createReporter(outbox: Pick<Outbox, 'emit'>): Reporter {
  return {
    decision({ caller, resource, resourceId, action, decision, reason, latencyMs, request }) {
      outbox.emit({
        type: DECISION_EVENT,
        subject: caller.subject,
        data: {
          decision,
          resource,
          action,
          ...(resourceId === undefined ? {} : { resource_id: resourceId }),
          subject: caller.subject,
          subject_roles: caller.roles,
          service: SERVICE,
          method: request.method,
          path: request.path,
          latency_ms: latencyMs,
          reason,
          correlation_id: request.correlationId,
        },
      })
    },
    workflow({ workflow, runId, step, status, durationMs, error, caller }) {
      outbox.emit({
        type: WORKFLOW_EVENT,
        subject: caller.subject,
        data: {
          workflow_name: workflow,
          workflow_id: runId,
          ...(step === undefined ? {} : { step_name: step }),
          status,
          ...(durationMs === undefined ? {} : { duration_ms: durationMs }),
          ...(error === undefined ? {} : { error }),
          service: SERVICE,
          subject: caller.subject,
          subject_roles: caller.roles,
        },
      })
    },
  }
}
