import type { ServiceName } from './services.ts'
import type { WorkflowName } from './workflows.ts'

/** When a role works. All times are UTC: the organisation knows no time zones. */
export interface Shift {
  /** Minutes after midnight; an end beyond 1,440 is on the next day. */
  start: number
  end: number
  /** `weekdays`: Monday to Friday. `rotation`: four days on, three off, each person shifted. */
  days: 'weekdays' | 'six-days' | 'rotation' | 'every-day'
  /** How far one person's hours are from the next one's, in minutes. */
  personal: number
}

export interface Role {
  name: string
  department: string
  people: number
  shift: Shift
  accessesADay: number
  services: readonly [Use<ServiceName>, ...Use<ServiceName>[]]
  /** Runs started a day by one person, on average. */
  runsADay: number
  workflows: readonly [Use<WorkflowName>, ...Use<WorkflowName>[]]
  /** Long sittings at the speed of the live traffic. */
  sittings?: { aDay: number; minutes: readonly [number, number]; callsAMinute: number }
}

export interface Use<Name> {
  name: Name
  weight: number
}

const hour = 60
const office = (start: number, end: number): Shift => ({
  start: start * hour,
  end: end * hour,
  days: 'weekdays',
  personal: 45,
})

export const ROLES: readonly Role[] = [
  {
    name: 'engineer',
    department: 'Engineering',
    people: 84,
    shift: office(9, 18),
    accessesADay: 8,
    services: [
      { name: 'crud_service', weight: 80 },
      { name: 'analytics_service', weight: 8 },
      { name: 'ops_service', weight: 12 },
    ],
    runsADay: 0.12,
    workflows: [
      { name: 'onboard-member', weight: 3 },
      { name: 'archive-project', weight: 2 },
    ],
  },
  {
    name: 'support-agent',
    department: 'Support',
    people: 62,
    shift: { start: 7 * hour, end: 15 * hour, days: 'six-days', personal: 60 },
    accessesADay: 9,
    services: [
      { name: 'crm_service', weight: 80 },
      { name: 'crud_service', weight: 15 },
      { name: 'billing_service', weight: 5 },
    ],
    runsADay: 0.15,
    workflows: [{ name: 'refund-review', weight: 1 }],
  },
  {
    name: 'sales',
    department: 'Sales',
    people: 48,
    shift: office(8, 17),
    accessesADay: 8,
    services: [
      { name: 'crm_service', weight: 75 },
      { name: 'billing_service', weight: 15 },
      { name: 'crud_service', weight: 10 },
    ],
    runsADay: 0.08,
    workflows: [{ name: 'onboard-customer', weight: 1 }],
  },
  {
    name: 'accountant',
    department: 'Finance',
    people: 26,
    shift: office(9, 17),
    accessesADay: 10,
    services: [
      { name: 'billing_service', weight: 85 },
      { name: 'crud_service', weight: 15 },
    ],
    runsADay: 0.4,
    workflows: [
      { name: 'invoice-run', weight: 3 },
      { name: 'refund-review', weight: 2 },
    ],
  },
  {
    name: 'hr-partner',
    department: 'People',
    people: 18,
    shift: office(8, 16),
    accessesADay: 9,
    services: [
      { name: 'hr_service', weight: 85 },
      { name: 'crud_service', weight: 15 },
    ],
    runsADay: 0.5,
    workflows: [
      { name: 'leave-approval', weight: 3 },
      { name: 'onboard-member', weight: 1 },
    ],
  },
  {
    name: 'analyst',
    department: 'Analytics',
    people: 16,
    shift: office(10, 18),
    accessesADay: 10,
    services: [
      { name: 'analytics_service', weight: 75 },
      { name: 'crud_service', weight: 25 },
    ],
    runsADay: 0.1,
    workflows: [{ name: 'archive-project', weight: 1 }],
  },
  {
    name: 'operator',
    department: 'Operations',
    people: 22,
    shift: { start: 22 * hour, end: 30 * hour, days: 'rotation', personal: 20 },
    accessesADay: 12,
    services: [
      { name: 'ops_service', weight: 80 },
      { name: 'crud_service', weight: 20 },
    ],
    runsADay: 0.6,
    workflows: [{ name: 'nightly-export', weight: 1 }],
  },
  {
    name: 'manager',
    department: 'Management',
    people: 24,
    shift: office(8, 18),
    accessesADay: 6,
    services: [
      { name: 'analytics_service', weight: 35 },
      { name: 'hr_service', weight: 30 },
      { name: 'crud_service', weight: 35 },
    ],
    runsADay: 0.2,
    workflows: [
      { name: 'leave-approval', weight: 3 },
      { name: 'onboard-member', weight: 1 },
    ],
  },
]

/**
 * What the demo's own users did in the past: a little at every hour of every day, and at times a
 * lot, because the live traffic in their names runs whenever the demo does. Neither its hour nor its
 * volume may look stranger than what was planted.
 */
export const DEMO_USER_ROLE: Role = {
  name: 'demo-user',
  department: 'Demo',
  people: 0,
  shift: { start: 0, end: 24 * hour, days: 'every-day', personal: 0 },
  accessesADay: 6,
  sittings: { aDay: 0.07, minutes: [10, 60], callsAMinute: 20 },
  services: [
    { name: 'crud_service', weight: 70 },
    { name: 'analytics_service', weight: 30 },
  ],
  runsADay: 0.3,
  workflows: [
    { name: 'onboard-member', weight: 2 },
    { name: 'archive-project', weight: 1 },
  ],
}
