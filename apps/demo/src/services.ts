/** The services of the synthetic organisation: what can be called, how long it takes, who decides. */

export interface Operation {
  weight: number
  method: string
  /** `{n}` becomes a number. */
  path: string
  resource: string
  action: string
  /** Share of the calls that are denied to people whose role calls this service. */
  denied: number
  reason: string
}

export interface Service {
  name: string
  routeId: string
  medianMs: number
  /** Share of the calls whose authorization decision is reported too. */
  decided: number
  operations: readonly [Operation, ...Operation[]]
}

const read = (path: string, resource: string, weight: number, denied = 0.004): Operation => ({
  weight,
  method: 'GET',
  path,
  resource,
  action: 'read',
  denied,
  reason: `neither owner nor member of this ${resource}`,
})

const change = (
  [method, action]: readonly [string, string],
  path: string,
  resource: string,
  weight: number,
  denied: number,
): Operation => ({
  weight,
  method,
  path,
  resource,
  action,
  denied,
  reason: `only the owner may ${action} this ${resource}`,
})

const CREATE = ['POST', 'create'] as const
const UPDATE = ['PATCH', 'update'] as const
const DELETE = ['DELETE', 'delete'] as const

export const SERVICES = {
  crud_service: {
    name: 'crud_service',
    routeId: 'api-crud',
    medianMs: 14,
    decided: 0.28,
    operations: [
      read('/api/crud/projects', 'project', 40, 0),
      read('/api/crud/projects/{n}', 'project', 35),
      change(UPDATE, '/api/crud/projects/{n}', 'project', 14, 0.04),
      change(CREATE, '/api/crud/projects', 'project', 6, 0),
      change(DELETE, '/api/crud/projects/{n}', 'project', 2, 0.12),
      read('/api/crud/workflows/runs/{n}', 'workflow_run', 8, 0.01),
    ],
  },
  analytics_service: {
    name: 'analytics_service',
    routeId: 'api-analytics',
    medianMs: 55,
    decided: 0.1,
    operations: [
      read('/api/v1/analytics/workflows', 'report', 40),
      read('/api/v1/analytics/authorization-metrics', 'report', 35),
      read('/api/v1/analytics/anomalous-access-patterns', 'report', 15, 0.02),
    ],
  },
  hr_service: {
    name: 'hr_service',
    routeId: 'api-hr',
    medianMs: 32,
    decided: 0.5,
    operations: [
      read('/api/hr/employees/{n}', 'employee', 50, 0.01),
      read('/api/hr/leave-requests', 'leave_request', 25, 0),
      change(UPDATE, '/api/hr/leave-requests/{n}', 'leave_request', 15, 0.03),
      change(UPDATE, '/api/hr/employees/{n}', 'employee', 6, 0.06),
    ],
  },
  billing_service: {
    name: 'billing_service',
    routeId: 'api-billing',
    medianMs: 41,
    decided: 0.45,
    operations: [
      read('/api/billing/invoices', 'invoice', 30, 0),
      read('/api/billing/invoices/{n}', 'invoice', 35),
      change(CREATE, '/api/billing/invoices', 'invoice', 14, 0.01),
      change(UPDATE, '/api/billing/invoices/{n}', 'invoice', 10, 0.05),
      change(CREATE, '/api/billing/refunds', 'refund', 4, 0.1),
    ],
  },
  crm_service: {
    name: 'crm_service',
    routeId: 'api-crm',
    medianMs: 23,
    decided: 0.2,
    operations: [
      read('/api/crm/customers/{n}', 'customer', 50),
      read('/api/crm/tickets', 'ticket', 25, 0),
      change(UPDATE, '/api/crm/tickets/{n}', 'ticket', 22, 0.01),
      change(CREATE, '/api/crm/customers', 'customer', 5, 0.02),
    ],
  },
  ops_service: {
    name: 'ops_service',
    routeId: 'api-ops',
    medianMs: 18,
    decided: 0.3,
    operations: [
      read('/api/ops/alerts', 'alert', 45, 0),
      read('/api/ops/hosts/{n}', 'host', 30),
      change(UPDATE, '/api/ops/alerts/{n}', 'alert', 18, 0.01),
      change(CREATE, '/api/ops/restarts', 'restart', 6, 0.05),
    ],
  },
} as const satisfies Record<string, Service>

export type ServiceName = keyof typeof SERVICES
