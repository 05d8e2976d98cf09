import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ScopeMapping } from '../src/idp-settings.ts'
import { nearMiss } from '../src/near-miss.ts'
import { nearest } from '../src/nearest.ts'
import { reach, scopesSatisfy } from '../src/requirement.ts'

const mapping = (
  scope: string,
  implies: string[] = [],
  audiences: string[] = [],
): ScopeMapping => ({
  scope,
  implies,
  audiences,
})

const reached = (mappings: ScopeMapping[], granted: string[]) =>
  [...reach(mappings, granted).scopes].sort()

test('what a scope implies implies further', () => {
  const mappings = [mapping('c', ['d']), mapping('a', ['b']), mapping('b', ['c'])]
  assert.deepEqual(reached(mappings, ['a']), ['a', 'b', 'c', 'd'])
  assert.deepEqual(reached(mappings, ['c']), ['c', 'd'])
  assert.deepEqual(reached(mappings, ['unmapped']), ['unmapped'])
})

test('a cycle of implications ends', () => {
  const mappings = [mapping('a', ['b', 'a']), mapping('b', ['c']), mapping('c', ['a'])]
  assert.deepEqual(reached(mappings, ['b']), ['a', 'b', 'c'])
})

test('several mappings of one scope add up', () => {
  const mappings = [mapping('a', ['b'], ['x']), mapping('a', [], ['y']), mapping('b', [], ['z'])]
  const { audiencesByScope } = reach(mappings, ['a'])
  assert.deepEqual([...(audiencesByScope.get('a') ?? [])], ['x', 'y'])
  // A scope leads only to its own audiences: `b` does not inherit those of `a`.
  assert.deepEqual([...(audiencesByScope.get('b') ?? [])], ['z'])
})

test('nothing is reached that no chain of implications leads to', () => {
  const scope = fc.constantFrom<string>('a', 'b', 'c', 'd', 'e', 'f')
  const mappings = fc.array(
    fc.tuple(scope, fc.array(scope, { maxLength: 3 })).map(([from, to]) => mapping(from, to)),
    { maxLength: 8 },
  )
  fc.assert(
    fc.property(mappings, fc.array(scope, { maxLength: 2 }), (drawn, granted) => {
      // Steps until nothing is added: slower and plainer than the code under test.
      const expected = new Set(granted)
      for (let size = -1; size !== expected.size; ) {
        size = expected.size
        for (const { scope: from, implies } of drawn) {
          if (expected.has(from)) for (const to of implies) expected.add(to)
        }
      }
      assert.deepEqual(reached(drawn, granted), [...expected].sort())
    }),
  )
})

test('all means each, any means one, and no scope asks for none', () => {
  const cases: [scopes: string[], requires: 'all' | 'any', granted: string[], holds: boolean][] = [
    [['a', 'b'], 'all', ['a', 'b', 'c'], true],
    [['a', 'b'], 'all', ['a'], false],
    [['a', 'b'], 'any', ['b'], true],
    [['a', 'b'], 'any', ['c'], false],
    [['a'], 'all', [], false],
    [['a'], 'any', [], false],
    [[], 'all', [], true],
    [[], 'any', [], true],
    [['api.read'], 'all', ['api.reader', 'API.READ'], false],
  ]
  for (const [scopes, requires, granted, holds] of cases) {
    assert.equal(
      scopesSatisfy({ scopes, requires }, new Set(granted)),
      holds,
      `${requires} of ${scopes} in ${granted}`,
    )
  }
})

test('a near miss of an audience is explained and never taken for a match', () => {
  const cases: [found: string, expected: string, difference: string | undefined][] = [
    ['https://a', 'https://a', undefined],
    ['https://a/', 'https://a', 'they differ by a trailing slash'],
    ['https://a', 'https://a//', 'they differ by a trailing slash'],
    ['https://A', 'https://a', 'they differ by upper and lower case'],
    ['https://a.b', 'https://a', undefined],
    ['', 'https://a', undefined],
  ]
  for (const [found, expected, difference] of cases) {
    assert.equal(nearMiss(found, expected), difference, `${found} for ${expected}`)
  }
})

test('the word that was meant is found, or none is named', () => {
  const known = ['analytics_service', 'crud_service', 'port', 'path']
  assert.equal(nearest('analytic_service', known), 'analytics_service')
  assert.equal(nearest('ANALYTICS_SERVICE', known), 'analytics_service')
  assert.equal(nearest('prot', known), 'port')
  assert.equal(nearest('zebra', known), undefined)
  assert.equal(nearest('x', []), undefined)
})
