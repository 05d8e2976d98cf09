import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ScopeUsageResponse,
  scopeUsageResponse,
} from '@audience-bridge/contracts/analytics.ts'
import { NO_SCOPE } from '@audience-bridge/contracts/event.ts'
import { NO_SCOPE as REPORTED } from '@audience-bridge/resource-server/scopes.ts'
import { access } from './make.ts'
import { startWorld, type TokenWish } from './world.ts'

const NOW = Date.UTC(2026, 7, 12, 12)
const world = await startWorld(() => NOW)
const at = (text: string) => `2026-08-${text}Z`

const call = (time: string, data: Parameters<typeof access>[1]) =>
  access(at(time), { route_id: 'api-crud', token_scopes: 'application.all', ...data })

const read = { required_scope: 'crud.read' }
const { body: ingested } = await world.post([
  call('10T10:00:00', { ...read, correlation_id: 'first' }),
  call('11T10:00:00', { ...read, correlation_id: 'last' }),
  call('10T11:00:00', { ...read, correlation_id: 'between', subject: 'bob' }),
  call('10T12:00:00', { ...read, token_scopes: 'crud.read' }),
  call('10T13:00:00', { method: 'POST', required_scope: 'crud.write', status: 403 }),
  call('10T13:00:01', {
    method: 'POST',
    required_scope: 'crud.write',
    status: 403,
    scope_refused: true,
  }),
  call('10T14:00:00', { route_id: 'whoami', required_scope: NO_SCOPE }),
  call('10T15:00:00', { service: 'silent_service', status: 404 }),
  // Evidence, for the service reported: its own 503.
  call('10T16:00:00', { service: 'busy_service', required_scope: 'x', status: 503 }),
  // No evidence: no backend answered, or no token was sent.
  ...[499, 502, 503, 504].map((status) => call('10T17:00:00', { status })),
  access(at('10T18:00:00'), { route_id: 'api-crud', status: 401 }),
  // Out of the window.
  call('08T10:00:00', { required_scope: 'old' }),
])
assert.deepEqual(ingested, { accepted: 15, duplicates: 0, rejected: [] })

const WINDOW = `from=${at('09T00:00:00')}&to=${at('12T00:00:00')}`

async function ask(more = '', wish?: TokenWish): Promise<ScopeUsageResponse> {
  const { response, body } = await world.get(`/api/v1/analytics/scope-usage?${WINDOW}${more}`, wish)
  assert.equal(response.status, 200, JSON.stringify(body))
  return scopeUsageResponse.parse(body)
}

const brief = ({ rows }: ScopeUsageResponse) =>
  rows.map(
    (row) =>
      `${row.requests} ${row.service} ${row.route_id} ${row.method} ${JSON.stringify(row.required_scope)} ${row.token_scopes}${row.refused ? ' refused' : ''}`,
  )

test('calls that are alike are one row: what was needed, carried, refused, and how often', async () => {
  assert.equal(REPORTED, NO_SCOPE, 'what backends send is what the store knows')
  const all = await ask()
  assert.deepEqual(brief(all), [
    '3 crud_service api-crud GET "crud.read" application.all',
    '1 busy_service api-crud GET "x" application.all',
    '1 crud_service api-crud GET "crud.read" crud.read',
    '1 crud_service api-crud POST "crud.write" application.all',
    '1 crud_service api-crud POST "crud.write" application.all refused',
    '1 crud_service whoami GET "" application.all',
    '1 silent_service api-crud GET null application.all',
  ])
  const [first] = all.rows
  assert.equal(first?.last_at, '2026-08-11T10:00:00.000Z')
  assert.equal(first?.sample_correlation_id, 'last')
  assert.equal(all.truncated, false)
})

test('one service alone, by either of its names', async () => {
  for (const service of ['crud', 'crud_service']) {
    const { rows } = await ask(`&service=${service}`)
    assert.deepEqual(new Set(rows.map((row) => row.service)), new Set(['crud_service']))
  }
})

test('more rows than the limit lets through are said to be there', async () => {
  assert.deepEqual(
    [await ask('&limit=6'), await ask('&limit=7')].map(({ rows, truncated }) => [
      rows.length,
      truncated,
    ]),
    [
      [6, true],
      [7, false],
    ],
  )
})

test('who is no reader sees only the own calls, and what they carried', async () => {
  const own = await ask('', { sub: 'bob', roles: ['clerk'] })
  assert.equal(own.view, 'own')
  assert.deepEqual(brief(own), ['1 crud_service api-crud GET "crud.read" application.all'])
})

test('either read scope suffices, and no other', async () => {
  for (const [scope, status] of [
    ['api.read', 200],
    ['application.all', 200],
    ['api.write', 403],
  ] as const) {
    const { response } = await world.get('/api/v1/analytics/scope-usage', { scope })
    assert.equal(response.status, status)
  }
})
