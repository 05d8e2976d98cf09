import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '@audience-bridge/kit/log.ts'
import { openDatabase } from '../src/database.ts'
import { projectStore } from '../src/project-store.ts'
import type { WorkflowReport } from '../src/reporter.ts'
import { runStore } from '../src/run-store.ts'
import { createRunner } from '../src/workflow-runner.ts'
import { type Crud, startCrud } from './crud.ts'
import { decisionOf } from './receiver.ts'

const owner = { sub: 'owner-1' }
const admin = { sub: 'admin-1', roles: ['admin'] }

interface Step {
  name: string
  status: string
  error: string | null
}

/** Starts a workflow and waits, by its events, until the run has ended. */
async function run(
  crud: Crud,
  name: string,
  input: unknown,
  who: Record<string, unknown> = owner,
): Promise<{ status: string; steps: Step[]; events: [string | undefined, string][] }> {
  const started = await crud.call('POST', `/api/workflows/${name}/runs`, who, input)
  assert.equal(started.status, 202)
  const id = String(started.body.id)
  const mine = () =>
    crud.receiver.events.flatMap(({ type, data }) =>
      type === 'ai.empowernow.workflow' && data.workflow_id === id ? [data] : [],
    )
  await crud.receiver.event(() =>
    mine().some((data) => data.step_name === undefined && data.status !== 'started'),
  )
  for (const data of mine()) {
    assert.equal(data.workflow_name, name)
    assert.equal(data.subject, who.sub)
    assert.equal(data.duration_ms !== undefined, data.status !== 'started')
  }
  const { body } = await crud.call('GET', started.headers.get('location') ?? '', who)
  return {
    status: String(body.status),
    steps: body.steps as Step[],
    events: mine().map((data) => [data.step_name, data.status]),
  }
}

test('onboard-member adds the member, and each change of state is reported in order', async (t) => {
  const crud = await startCrud(t)
  const id = await crud.project(owner, { name: 'Bridge' })
  const { status, events } = await run(crud, 'onboard-member', { project_id: id, member: 'new-1' })
  assert.equal(status, 'succeeded')
  assert.deepEqual(events, [
    [undefined, 'started'],
    ['check-project', 'started'],
    ['check-project', 'succeeded'],
    ['check-member', 'started'],
    ['check-member', 'succeeded'],
    ['add-member', 'started'],
    ['add-member', 'succeeded'],
    ['write-welcome', 'started'],
    ['write-welcome', 'succeeded'],
    [undefined, 'succeeded'],
  ])
  const { body } = await crud.call('GET', `/api/projects/${id}`, owner)
  assert.deepEqual(body.members, ['new-1'])
})

test('a step that fails ends the run and says why', async (t) => {
  const crud = await startCrud(t)
  const id = await crud.project(owner, { name: 'Bridge', members: ['member-1'] })
  const { status, steps } = await run(crud, 'onboard-member', {
    project_id: id,
    member: 'member-1',
  })
  assert.equal(status, 'failed')
  assert.deepEqual(
    steps.map(({ name, status, error }) => [name, status, error]),
    [
      ['check-project', 'succeeded', null],
      ['check-member', 'failed', 'is a member of the project already'],
    ],
  )
})

test('archive-project closes the project, once', async (t) => {
  const crud = await startCrud(t)
  const id = await crud.project(owner, { name: 'Bridge' })
  assert.equal((await run(crud, 'archive-project', { project_id: id })).status, 'succeeded')
  assert.equal((await crud.call('GET', `/api/projects/${id}`, owner)).body.status, 'archived')
  assert.equal((await run(crud, 'archive-project', { project_id: id })).status, 'failed')
})

test('nightly-export is for administrators and operators', async (t) => {
  const crud = await startCrud(t)
  await crud.project(owner, { name: '=HYPERLINK("x")' })
  assert.equal((await run(crud, 'nightly-export', {}, admin)).status, 'succeeded')

  const denied = await crud.call('POST', '/api/workflows/nightly-export/runs', owner, {})
  assert.equal(denied.status, 403)
  const event = await crud.receiver.event(
    ({ type, data }) => type.endsWith('decision') && 'decision' in data && data.decision === 'Deny',
  )
  const decision = decisionOf(event)
  assert.deepEqual(
    [decision.resource, decision.resource_id, decision.action],
    ['workflow', 'nightly-export', 'run'],
  )
})

test('a run on somebody else’s project is denied, whether the project exists or not', async (t) => {
  const crud = await startCrud(t)
  const id = await crud.project(owner, { name: 'Bridge' })
  const stranger = { sub: 'stranger-1' }
  const path = '/api/workflows/archive-project/runs'
  const nowhere = { project_id: '00000000-0000-4000-8000-000000000000' }
  const exists = await crud.call('POST', path, stranger, { project_id: id })
  const missing = await crud.call('POST', path, stranger, nowhere)
  assert.equal(exists.status, 403)
  assert.deepEqual(exists.body.detail, missing.body.detail)
})

test('a run is shown to who started it, and to nobody else', async (t) => {
  const crud = await startCrud(t)
  await crud.project(owner, { name: 'Bridge' })
  const started = await crud.call('POST', '/api/workflows/nightly-export/runs', admin, {})
  const path = started.headers.get('location') ?? ''
  assert.equal((await crud.call('GET', path, admin)).status, 200)
  assert.equal((await crud.call('GET', path, owner)).status, 404)
})

test('the list of workflows names steps and input, and an unknown one is 404', async (t) => {
  const crud = await startCrud(t)
  const { body } = await crud.call('GET', '/api/workflows', owner)
  const items = body.items as { name: string; steps: string[]; input: { required?: string[] } }[]
  assert.deepEqual(
    items.map(({ name }) => name),
    ['onboard-member', 'archive-project', 'nightly-export'],
  )
  assert.deepEqual(items[0]?.input.required, ['project_id', 'member'])
  const unknown = await crud.call('POST', '/api/workflows/nothing/runs', owner, {})
  assert.deepEqual([unknown.status, unknown.body.code], [404, 'NOT_FOUND'])
})

test('a run that a crash left behind is ended as failed at the next start, once', (t) => {
  const db = openDatabase(':memory:')
  t.after(() => db.close())
  const runs = runStore(db)
  const id = runs.start('archive-project', {}, { subject: 'owner-1', roles: ['member'] })
  const reports: WorkflowReport[] = []
  const reporter = {
    decision: () => undefined,
    workflow: (report: WorkflowReport) => void reports.push(report),
  }
  const log = createLog('crud-test', 'silent')
  for (let start = 0; start < 2; start++) {
    createRunner({ projects: projectStore(db), runs, reporter, log })
  }
  assert.equal(runs.read(id)?.status, 'failed')
  assert.deepEqual(
    reports.map(({ runId, status, caller }) => [runId, status, caller.roles]),
    [[id, 'failed', ['member']]],
  )
})
