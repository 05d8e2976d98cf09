import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Chain, LinkResult } from '../src/api/admin.ts'
import { chainRows, describeLinks, stateOf } from '../src/chain-state.ts'

const holds = (link: string, evidence = 'yes'): LinkResult => ({ link, state: 'holds', evidence })
const unknown = (link: string): LinkResult => ({ link, state: 'unknown', why: 'no files' })
const broken = (link: string): LinkResult => ({
  link,
  state: 'broken',
  code: 'x',
  found: 'a',
  expected: 'b',
  mend: 'c',
})

test('one broken link breaks a route, one unknown link leaves it open', () => {
  assert.equal(stateOf([holds('client'), holds('cookie')]), 'holds')
  assert.equal(stateOf([holds('client'), unknown('cookie')]), 'unknown')
  assert.equal(stateOf([unknown('client'), broken('cookie'), holds('token')]), 'broken')
})

test('a chain is told in words, with the names of what is broken', () => {
  assert.equal(describeLinks([holds('client')]), '1 link, and every one holds')
  assert.equal(
    describeLinks([holds('client'), broken('scope_mapping'), unknown('cookie'), unknown('token')]),
    '4 links: 1 holds, 1 broken (Scope mapping), 2 unknown',
  )
  assert.equal(
    describeLinks([broken('of_a_later_version')]),
    '1 link: 0 hold, 1 broken (of a later version)',
  )
})

test('routes are listed with what is broken first, and otherwise as in the file', () => {
  const chain = (route: string, links: LinkResult[]): Chain => ({ route, service: 's', links })
  const rows = chainRows(
    [
      chain('a', [holds('client')]),
      chain('b', [broken('client')]),
      chain('c', [unknown('client')]),
      chain('d', [holds('client')]),
      chain('e', [broken('client')]),
    ],
    [],
    [],
  )
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['b', 'e', 'c', 'a', 'd'],
  )
})

test('a route is told with its path, audience and scopes, as far as they are known', () => {
  const routes = [{ id: 'a', path: '/api/a/*', service: 's', auth: 'session', methods: ['GET'] }]
  const links = [holds('service_scopes', '"api.read api.write" leads to https://s')]
  const chain: Chain = { route: 'a', service: 's', links }
  const row = (backends: Parameters<typeof chainRows>[2], of = chain) => {
    const [first] = chainRows([of], routes, backends)
    return { path: first?.path, audience: first?.audience, scopes: first?.scopes }
  }
  const path = '/api/a/*'
  const scopes = 'api.read api.write'
  assert.deepEqual(row([]), { path, audience: undefined, scopes })
  assert.deepEqual(row([{ service: 's', base_url: 'http://s', audience: 'https://s' }]), {
    path,
    audience: 'https://s',
    scopes,
  })
  assert.deepEqual(row([{ service: 's', base_url: 'http://s' }], { ...chain, links: [] }), {
    path,
    audience: null,
    scopes: undefined,
  })
})
