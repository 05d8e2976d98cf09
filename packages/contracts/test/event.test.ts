import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ACCESS_EVENT,
  type BridgeEvent,
  bridgeEvent,
  DECISION_EVENT,
  WORKFLOW_EVENT,
} from '../src/event.ts'

const envelope = {
  specversion: '1.0',
  id: 'e1',
  source: '/ms-bff',
  time: '2026-03-01T12:00:00Z',
} as const

const access: BridgeEvent = {
  ...envelope,
  type: ACCESS_EVENT,
  data: { service: 'crud_service', method: 'GET', path: '/x', status: 200, elapsed_ms: 1.5 },
}
const decision: BridgeEvent = {
  ...envelope,
  type: DECISION_EVENT,
  data: {
    decision: 'Deny',
    resource: 'workflow',
    action: 'start',
    service: 'crud_service',
    latency_ms: 0,
  },
}
const workflow: BridgeEvent = {
  ...envelope,
  type: WORKFLOW_EVENT,
  data: {
    workflow_name: 'onboard',
    workflow_id: 'w1',
    status: 'started',
    service: 'crud_service',
    subject: 'u1',
  },
}

test('an event of each type is taken, and roles default to none', () => {
  for (const event of [access, decision, workflow]) {
    const parsed = bridgeEvent.parse(event)
    assert.deepEqual(parsed.data.subject_roles, [])
  }
})

test('what CloudEvents allows besides is taken', () => {
  const more = {
    ...access,
    subject: 'u1',
    datacontenttype: 'application/json',
    dataschema: 'urn:x',
    traceparent: '00-a-b-01',
    time: '2026-03-01T13:00:00.123+01:00',
  }
  assert.equal(bridgeEvent.safeParse(more).success, true)
})

test('an event that would distort what is computed over it is refused', async (t) => {
  const withData = (data: object) => ({ ...access, data: { ...access.data, ...data } })
  const cases: [what: string, event: unknown, path: string][] = [
    ['another version', { ...access, specversion: '0.3' }, 'specversion'],
    ['no id', { ...access, id: '' }, 'id'],
    ['no source', { ...access, source: undefined }, 'source'],
    ['no time', { ...access, time: undefined }, 'time'],
    ['a time without a zone', { ...access, time: '2026-03-01T12:00:00' }, 'time'],
    ['a date', { ...access, time: '2026-03-01' }, 'time'],
    ['an unknown type', { ...access, type: 'x' }, 'type'],
    ['data of another type', { ...access, type: DECISION_EVENT }, 'data.decision'],
    ['an unknown key', withData({ statuscode: 200 }), 'data'],
    ['a status that is none', withData({ status: 42 }), 'data.status'],
    ['a negative duration', withData({ elapsed_ms: -1 }), 'data.elapsed_ms'],
    ['a duration that is no number', withData({ elapsed_ms: Number.NaN }), 'data.elapsed_ms'],
    ['an empty subject', withData({ subject: '' }), 'data.subject'],
    [
      'roles beyond all measure',
      withData({ subject_roles: Array(65).fill('r') }),
      'data.subject_roles',
    ],
    ['a path beyond all measure', withData({ path: 'x'.repeat(2049) }), 'data.path'],
    [
      'a decision in other letters',
      { ...decision, data: { ...decision.data, decision: 'deny' } },
      'data.decision',
    ],
    [
      'a workflow without a subject',
      { ...workflow, data: { ...workflow.data, subject: undefined } },
      'data.subject',
    ],
    ['no object', 5, ''],
  ]
  for (const [what, event, path] of cases) {
    await t.test(what, () => {
      const { success, error } = bridgeEvent.safeParse(event)
      assert.equal(success, false)
      assert.ok(
        error?.issues.some((issue) => issue.path.join('.') === path),
        error?.message,
      )
    })
  }
})
