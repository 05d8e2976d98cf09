import {
  ACCESS_EVENT,
  type BridgeEvent,
  DECISION_EVENT,
  WORKFLOW_EVENT,
} from '@audience-bridge/contracts/event.ts'
import type { Person } from './organisation.ts'
import type { Random } from './random.ts'
import type { Operation, Service } from './services.ts'
import type { WorkflowPlan } from './workflows.ts'

/** The `source` of everything that the generator makes up: told apart from real events by it. */
export const SOURCE = 'urn:audience-bridge:demo-generator'

export const MINUTE_MS = 60_000
export const DAY_MS = 86_400_000

export interface Call {
  person: Person
  service: Service
  operation: Operation
  timeMs: number
  denied: boolean
  /** The machine; the person's own by default. */
  workstation?: string
  label?: string
}

export interface RunPlan {
  person: Person
  workflow: WorkflowPlan
  timeMs: number
  /** Multiplies the chance that a step fails; 1 is ordinary. */
  trouble?: number
  label?: string
}

/** Writes events whose ids follow from `stream` and their order alone, so that a re-run repeats them. */
export interface EventWriter {
  call(call: Call): void
  run(run: RunPlan): void
}

export function createEventWriter(
  stream: string,
  random: Random,
  events: BridgeEvent[],
): EventWriter {
  let written = 0

  const head = (timeMs: number, subject: string) => ({
    specversion: '1.0' as const,
    id: `${stream}-${written++}`,
    source: SOURCE,
    time: new Date(timeMs).toISOString(),
    subject,
  })

  return {
    call({ person, service, operation, timeMs, denied, workstation, label }) {
      const { method, resource, action } = operation
      const number = String(random.between(1, 400))
      const path = operation.path.replace('{n}', number)
      const correlation_id = `${stream}-c${written}`
      const subject = { subject: person.sub, subject_roles: person.roles }
      const mark = label === undefined ? {} : { label }
      if (denied || random.chance(service.decided)) {
        const unmapped = !denied && random.chance(0.004)
        events.push({
          ...head(timeMs, person.sub),
          type: DECISION_EVENT,
          data: {
            decision: denied ? 'Deny' : unmapped ? 'NoMapping' : 'Allow',
            resource,
            action,
            ...(path === operation.path ? {} : { resource_id: number }),
            ...subject,
            service: service.name,
            route_id: service.routeId,
            method,
            path,
            latency_ms: round(random.skewed(1.4, 0.6)),
            reason: denied ? operation.reason : unmapped ? 'no mapping for this route' : 'by role',
            correlation_id,
            ...mark,
          },
        })
        denied ||= unmapped
      }
      const elapsedMs = random.skewed(denied ? 4 : service.medianMs, 0.5)
      events.push({
        ...head(timeMs + elapsedMs, person.sub),
        type: ACCESS_EVENT,
        data: {
          ...subject,
          service: service.name,
          route_id: service.routeId,
          method,
          path,
          status: denied ? 403 : statusOf(operation, random),
          elapsed_ms: round(elapsedMs),
          resource: workstation ?? person.workstation,
          correlation_id,
          ...mark,
        },
      })
    },

    run({ person, workflow, timeMs, trouble = 1, label }) {
      const common = {
        workflow_name: workflow.name,
        workflow_id: `${stream}-r${written}`,
        service: workflow.service,
        subject: person.sub,
        subject_roles: person.roles,
        ...(label === undefined ? {} : { label }),
      }
      const push = (atMs: number, data: Partial<WorkflowData> & Pick<WorkflowData, 'status'>) =>
        events.push({
          ...head(atMs, person.sub),
          type: WORKFLOW_EVENT,
          data: { ...common, ...data },
        })
      let at = timeMs
      push(at, { status: 'started' })
      for (const { name: step_name, medianMs, fails, error } of workflow.steps) {
        const duration_ms = round(random.skewed(medianMs, 0.45))
        push(at, { step_name, status: 'started' })
        at += duration_ms
        if (random.chance(Math.min(fails * trouble, 0.9))) {
          push(at, { step_name, status: 'failed', duration_ms, error })
          push(at, { status: 'failed', duration_ms: round(at - timeMs), error })
          return
        }
        push(at, { step_name, status: 'succeeded', duration_ms })
      }
      push(at, { status: 'succeeded', duration_ms: round(at - timeMs) })
    },
  }
}

type WorkflowData = Extract<BridgeEvent, { type: typeof WORKFLOW_EVENT }>['data']

function statusOf({ action }: Operation, random: Random): number {
  const draw = random.unit()
  if (draw < 0.003) return 500
  if (draw < 0.023) return 404
  return action === 'create' ? 201 : action === 'delete' ? 204 : 200
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100
}
