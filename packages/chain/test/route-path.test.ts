import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { overlapsReserved, readPattern, relatePatterns } from '../src/route-path.ts'
import { pathsOf, pattern, patternTexts, relateSets } from './patterns.ts'

test('a pattern is read into its segments', () => {
  assert.deepEqual(pattern('/api/{id}/x-*').segments, [
    { kind: 'literal', text: 'api' },
    { kind: 'param', name: 'id' },
    { kind: 'rest', prefix: 'x-' },
  ])
  assert.deepEqual(pattern('/a/').segments, [
    { kind: 'literal', text: 'a' },
    { kind: 'literal', text: '' },
  ])
  assert.deepEqual(pattern('/*').segments, [{ kind: 'rest', prefix: '' }])
})

test('a pattern that no request could match as it reads is refused', async (t) => {
  const cases: [text: string, reason: RegExp][] = [
    ['', /starts with \//],
    ['api', /starts with \//],
    ['/', /plain characters/],
    ['/a//b', /plain characters/],
    ['/a/../b', /plain characters/],
    ['/a/./b', /plain characters/],
    ['/a/%2e', /plain characters/],
    ['/a b', /plain characters/],
    ['/a?b', /plain characters/],
    ['/a#b', /plain characters/],
    ['/a;b', /plain characters/],
    ['/é', /plain characters/],
    ['/a/{id', /plain characters/],
    ['/a/{}', /plain characters/],
    ['/a/{a-b}', /plain characters/],
    ['/a/x{id}', /plain characters/],
    ['/a/{id}*', /plain characters before \*/],
    ['/a/**', /plain characters before \*/],
    ['/a/*/b', /at the end only/],
    ['/a*/b', /at the end only/],
    ['/{id}/{id}', /each \{name\} once/],
    ['/{path}/*', /what \* captures/],
  ]
  for (const [text, reason] of cases) {
    await t.test(JSON.stringify(text), () => {
      const read = readPattern(text)
      assert.equal(read.kind, 'refused')
      if (read.kind === 'refused') assert.match(read.reason, reason)
    })
  }
})

test('relations', async (t) => {
  const cases: [a: string, b: string, relation: string][] = [
    ['/a', '/a', 'same'],
    ['/a/{x}', '/a/{y}', 'same'],
    ['/a', '/b', 'disjoint'],
    ['/a', '/a/', 'disjoint'],
    ['/a', '/a/*', 'disjoint'],
    ['/a/', '/a/*', 'narrower'],
    ['/a/', '/a/{x}', 'disjoint'],
    ['/a/b', '/a/{x}', 'narrower'],
    ['/a/{x}', '/a/*', 'narrower'],
    ['/a/{x}/b', '/a/*', 'narrower'],
    ['/a/*', '/*', 'narrower'],
    ['/a/b*', '/a/*', 'narrower'],
    ['/a/bc*', '/a/b*', 'narrower'],
    ['/a/b', '/a/b*', 'narrower'],
    ['/a/b/c', '/a/b*', 'narrower'],
    ['/a/{x}', '/a/b*', 'crossing'],
    ['/a/{x}', '/{y}/b', 'crossing'],
    ['/{x}/b', '/a/*', 'crossing'],
    ['/{x}/b/*', '/a/*', 'crossing'],
    ['/{x}/*', '/a/*', 'wider'],
  ]
  for (const [a, b, relation] of cases) {
    await t.test(`${a} to ${b}: ${relation}`, () => {
      assert.equal(relatePatterns(pattern(a), pattern(b)), relation)
    })
  }
})

test('a relation says what the two sets of paths say', () => {
  fc.assert(
    fc.property(patternTexts, patternTexts, (a, b) => {
      assert.equal(
        relatePatterns(pattern(a), pattern(b)),
        relateSets(pathsOf(a), pathsOf(b)),
        `${a} to ${b}`,
      )
    }),
    { numRuns: 2_000 },
  )
})

test('what the BFF serves itself is found in whatever pattern holds it', async (t) => {
  const cases: [text: string, reserved: string | undefined][] = [
    ['/auth', '/auth'],
    ['/auth/login', '/auth'],
    ['/auth/*', '/auth'],
    ['/au*', '/auth'],
    ['/{any}', '/auth'],
    ['/{any}/login', '/auth'],
    ['/*', '/auth'],
    ['/api/*', '/api/auth'],
    ['/api/{any}', '/api/auth'],
    ['/api/a*', '/api/auth'],
    ['/api/auth/session', '/api/auth'],
    ['/admin/x', '/admin'],
    ['/health', '/health'],
    ['/metrics', '/metrics'],
    ['/.well-known/jwks.json', '/.well-known'],
    ['/.*', '/.well-known'],
    ['/api/v1/*', undefined],
    ['/authors/*', undefined],
    ['/healthy', undefined],
    ['/api/authors', undefined],
    ['/api/{any}/x/y', '/api/auth'],
  ]
  for (const [text, reserved] of cases) {
    await t.test(`${text}: ${reserved ?? 'free'}`, () => {
      assert.equal(overlapsReserved(pattern(text)), reserved)
    })
  }
})
