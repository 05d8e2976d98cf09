import type { ServiceName } from './services.ts'

/** The workflows of the synthetic organisation and how their steps fail. */

export interface Step {
  name: string
  medianMs: number
  /** Share of the runs that fail here. */
  fails: number
  error: string
}

export interface WorkflowPlan {
  name: string
  service: ServiceName
  steps: readonly [Step, ...Step[]]
}

const step = (name: string, medianMs: number, fails: number, error: string): Step => ({
  name,
  medianMs,
  fails,
  error,
})

export const WORKFLOW_PLANS = {
  'onboard-member': {
    name: 'onboard-member',
    service: 'crud_service',
    steps: [
      step('check-project', 12, 0.01, 'the project is archived'),
      step('check-member', 18, 0.04, 'is a member of the project already'),
      step('add-member', 30, 0.005, 'internal error'),
      step('write-welcome', 45, 0.01, 'internal error'),
    ],
  },
  'archive-project': {
    name: 'archive-project',
    service: 'crud_service',
    steps: [
      step('check-project', 12, 0.03, 'the project is archived'),
      step('take-snapshot', 380, 0.02, 'the snapshot is too large'),
      step('mark-archived', 20, 0.002, 'internal error'),
    ],
  },
  'nightly-export': {
    name: 'nightly-export',
    service: 'crud_service',
    steps: [
      step('collect', 9_000, 0.01, 'the database did not answer in time'),
      step('render', 21_000, 0.005, 'out of memory'),
      step('store', 4_000, 0.03, 'the disk is full'),
    ],
  },
  'invoice-run': {
    name: 'invoice-run',
    service: 'billing_service',
    steps: [
      step('select-customers', 700, 0.002, 'no customers match'),
      step('calculate', 2_600, 0.015, 'a rate is missing'),
      step('charge', 5_200, 0.11, 'the payment provider declined'),
      step('send-invoices', 1_900, 0.02, 'the mail server refused'),
    ],
  },
  'refund-review': {
    name: 'refund-review',
    service: 'billing_service',
    steps: [
      step('load-case', 120, 0.004, 'the case does not exist'),
      step('check-limits', 90, 0.07, 'the amount exceeds the limit'),
      step('pay-back', 2_100, 0.02, 'the payment provider declined'),
    ],
  },
  'leave-approval': {
    name: 'leave-approval',
    service: 'hr_service',
    steps: [
      step('check-balance', 60, 0.05, 'not enough days are left'),
      step('check-overlap', 85, 0.02, 'too many of the team are away'),
      step('update-calendar', 240, 0.015, 'the calendar did not answer'),
    ],
  },
  'onboard-customer': {
    name: 'onboard-customer',
    service: 'crm_service',
    steps: [
      step('check-duplicate', 140, 0.05, 'the customer exists already'),
      step('verify-address', 900, 0.06, 'the address cannot be verified'),
      step('create-account', 160, 0.005, 'internal error'),
    ],
  },
} as const satisfies Record<string, WorkflowPlan>

export type WorkflowName = keyof typeof WORKFLOW_PLANS
