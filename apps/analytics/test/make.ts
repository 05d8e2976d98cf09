import type { BridgeEvent } from '@audience-bridge/contracts/event.ts'

let counter = 0

function envelope(time: string | number, more: Record<string, unknown>) {
  counter += 1
  return {
    specversion: '1.0',
    id: `e${counter}`,
    source: 'urn:test',
    time: new Date(time).toISOString(),
    ...more,
  } as const
}

type Data<Type> = Partial<Extract<BridgeEvent, { type: Type }>['data']>

export function access(
  time: string | number,
  data: Data<'ai.empowernow.access'> = {},
  more: Record<string, unknown> = {},
): BridgeEvent {
  return {
    ...envelope(time, more),
    type: 'ai.empowernow.access',
    data: {
      subject: 'alice',
      subject_roles: ['clerk'],
      service: 'crud_service',
      method: 'GET',
      path: '/api/crud/records',
      status: 200,
      elapsed_ms: 12.5,
      ...data,
    },
  }
}

export function decision(
  time: string | number,
  data: Data<'ai.empowernow.authz.decision'> = {},
): BridgeEvent {
  return {
    ...envelope(time, {}),
    type: 'ai.empowernow.authz.decision',
    data: {
      decision: 'Allow',
      resource: 'record',
      action: 'read',
      subject: 'alice',
      subject_roles: ['clerk'],
      service: 'crud_service',
      latency_ms: 4,
      ...data,
    },
  }
}

export function workflow(
  time: string | number,
  data: Data<'ai.empowernow.workflow'> = {},
): BridgeEvent {
  return {
    ...envelope(time, {}),
    type: 'ai.empowernow.workflow',
    data: {
      workflow_name: 'onboard-user',
      workflow_id: 'run-1',
      status: 'started',
      service: 'crud_service',
      subject: 'alice',
      subject_roles: ['clerk'],
      ...data,
    },
  }
}
