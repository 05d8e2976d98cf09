import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startCrud } from './crud.ts'
import { decisionOf } from './receiver.ts'

const owner = { sub: 'owner-1' }
const member = { sub: 'member-1' }
const stranger = { sub: 'stranger-1' }
const admin = { sub: 'admin-1', roles: ['admin'] }

test('a project is created, read, replaced, changed and deleted', async (t) => {
  const crud = await startCrud(t)
  const created = await crud.call('POST', '/api/projects', owner, { name: 'Bridge' })
  assert.equal(created.status, 201)
  const path = created.headers.get('location') ?? ''
  assert.equal(path, `/api/projects/${created.body.id}`)
  assert.deepEqual((await crud.call('GET', path, owner)).body, created.body)

  const replaced = { name: 'Pier', description: 'of oak', members: ['m', 'm', 'owner-1'] }
  const { body } = await crud.call('PUT', path, owner, replaced)
  assert.deepEqual([body.name, body.description, body.members], ['Pier', 'of oak', ['m']])

  const patched = await crud.call('PATCH', path, owner, { status: 'archived' })
  assert.deepEqual([patched.body.name, patched.body.status], ['Pier', 'archived'])

  assert.equal((await crud.call('DELETE', path, owner)).status, 204)
  const gone = await crud.call('GET', path, owner)
  assert.deepEqual([gone.status, gone.body.code], [404, 'NOT_FOUND'])
})

test('who may do what, and that each decision is reported', async (t) => {
  const crud = await startCrud(t)
  const rows: { who: { sub: string; roles?: string[] }; method: string; status: number }[] = [
    { who: owner, method: 'GET', status: 200 },
    { who: member, method: 'GET', status: 200 },
    { who: stranger, method: 'GET', status: 404 },
    { who: admin, method: 'GET', status: 200 },
    { who: member, method: 'PATCH', status: 403 },
    { who: stranger, method: 'PATCH', status: 404 },
    { who: owner, method: 'PATCH', status: 200 },
    { who: admin, method: 'PATCH', status: 200 },
    { who: member, method: 'DELETE', status: 403 },
    { who: stranger, method: 'DELETE', status: 404 },
    { who: owner, method: 'DELETE', status: 204 },
    { who: admin, method: 'DELETE', status: 204 },
  ]
  const actions: Record<string, string> = { GET: 'read', PATCH: 'update', DELETE: 'delete' }
  for (const [i, { who, method, status }] of rows.entries()) {
    await t.test(`${method} by ${who.sub} → ${status}`, async () => {
      const id = await crud.project(owner, { name: `p${i}`, members: ['member-1'] })
      const body = method === 'PATCH' ? { description: 'changed' } : undefined
      const answer = await crud.call(method, `/api/projects/${id}?secret=1`, who, body)
      assert.equal(answer.status, status)

      const event = await crud.receiver.event(
        ({ type, data }) =>
          type.endsWith('decision') && 'resource_id' in data && data.resource_id === id,
      )
      const decision = decisionOf(event)
      assert.equal(decision.decision, status < 400 ? 'Allow' : 'Deny')
      assert.equal(decision.resource, 'project')
      assert.equal(decision.action, actions[method])
      assert.equal(decision.subject, who.sub)
      assert.deepEqual(decision.subject_roles, who.roles ?? [])
      assert.equal(decision.service, 'crud_service')
      assert.equal(decision.path, `/api/projects/${id}`, 'the query stays out of events')
      assert.equal(decision.correlation_id, answer.headers.get('x-correlation-id'))
      assert.ok(decision.reason)
    })
  }
})

test('a list has the own projects and those one is a member of, page by page', async (t) => {
  const crud = await startCrud(t)
  for (let i = 0; i < 5; i++) {
    await crud.project(owner, { name: `mine ${i}`, members: i === 0 ? ['member-1'] : [] })
  }
  await crud.project(stranger, { name: 'theirs' })

  const names: string[] = []
  let cursor = ''
  do {
    const page = await crud.call('GET', `/api/projects?limit=2${cursor}`, owner)
    for (const { name } of page.body.items as { name: string }[]) names.push(name)
    cursor = page.body.next_cursor === null ? '' : `&cursor=${page.body.next_cursor}`
  } while (cursor !== '')
  assert.deepEqual(names, ['mine 4', 'mine 3', 'mine 2', 'mine 1', 'mine 0'])

  const count = async (who: Record<string, unknown>) =>
    ((await crud.call('GET', '/api/projects', who)).body.items as unknown[]).length
  assert.deepEqual([await count(member), await count(stranger), await count(admin)], [1, 1, 6])
})

test('what is refused, and as what', async (t) => {
  const crud = await startCrud(t)
  const id = await crud.project(owner, { name: 'taken' })
  const rows: [string, string, unknown, number, string][] = [
    ['POST', '/api/projects', { name: '' }, 400, 'BAD_REQUEST'],
    ['POST', '/api/projects', { name: 'x', owner: 'somebody-else' }, 400, 'BAD_REQUEST'],
    ['POST', '/api/projects', { name: 'taken' }, 409, 'CONFLICT'],
    ['PATCH', `/api/projects/${id}`, {}, 400, 'BAD_REQUEST'],
    ['GET', '/api/projects?limit=0', undefined, 400, 'BAD_REQUEST'],
    ['GET', '/api/projects?unknown=1', undefined, 400, 'BAD_REQUEST'],
    ['GET', '/api/nothing', undefined, 404, 'NOT_FOUND'],
    ['GET', '/api/%zz', undefined, 400, 'BAD_REQUEST'],
    ['DELETE', '/api/projects', undefined, 405, 'METHOD_NOT_ALLOWED'],
  ]
  for (const [method, path, body, status, code] of rows) {
    const answer = await crud.call(method, path, owner, body)
    assert.deepEqual([answer.status, answer.body.code], [status, code], `${method} ${path}`)
    assert.equal(typeof answer.body.correlation_id, 'string')
  }
  const wrongMethod = await crud.call('DELETE', '/api/projects', owner)
  assert.equal(wrongMethod.headers.get('allow'), 'GET, POST')

  const headers = { authorization: `Bearer ${crud.issuer.token(owner)}` }
  const bodies: [string, string | Uint8Array<ArrayBuffer>, number, string][] = [
    ['text/plain', 'hello', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['application/json', '{"name":', 400, 'BAD_REQUEST'],
    ['application/json', new Uint8Array(10_485_761), 413, 'BODY_TOO_LARGE'],
  ]
  for (const [type, body, status, code] of bodies) {
    const response = await fetch(`${crud.origin}/api/projects`, {
      method: 'POST',
      headers: { ...headers, 'content-type': type },
      body,
    })
    const problem = (await response.json()) as Record<string, unknown>
    assert.deepEqual([response.status, problem.code], [status, code])
  }
})
