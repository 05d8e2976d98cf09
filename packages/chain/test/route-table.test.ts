import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { METHODS, type Method } from '../src/bff-routes.ts'
import { buildRouteTable, methodsOf, type RouteMatch, upstreamPath } from '../src/route-table.ts'
import { compiled, PATHS, pathsOf, patternTexts, relateSets, within } from './patterns.ts'

const methods = fc.option(
  fc.uniqueArray(fc.constantFrom<Method>(...METHODS), { minLength: 1, maxLength: 3 }),
  { nil: undefined },
)

interface Drawn {
  text: string
  methods: Method[] | undefined
}

const routes: fc.Arbitrary<Drawn[]> = fc.array(fc.record({ text: patternTexts, methods }), {
  minLength: 1,
  maxLength: 7,
})

const compileAll = (drawn: Drawn[]) =>
  drawn.map(({ text, methods: some }, i) => compiled(text, i, some))

test('exactly the pairs that no specificity decides are conflicts', () => {
  let found = 0
  fc.assert(
    fc.property(routes, (drawn) => {
      const all = compileAll(drawn)
      const expected = all.flatMap((later, i) =>
        all.slice(0, i).flatMap((earlier) => {
          const relation = relateSets(pathsOf(later.route.path), pathsOf(earlier.route.path))
          const shared = methodsOf(later).filter((method) => methodsOf(earlier).includes(method))
          if (relation === 'crossing') return [`${later.index} ambiguous ${earlier.index}`]
          return relation === 'same' && shared.length > 0
            ? [`${later.index} shadowed ${earlier.index}`]
            : []
        }),
      )
      const { conflicts } = buildRouteTable(all)
      found += conflicts.length
      assert.deepEqual(
        conflicts.map(({ route, kind, other }) => `${route.index} ${kind} ${other.index}`).sort(),
        expected.sort(),
      )
    }),
    { numRuns: 1_000 },
  )
  assert.ok(found > 100, 'the property met few conflicts')
})

/** Drops what conflicts, so that a table remains. */
function withoutConflicts(drawn: Drawn[]): Drawn[] {
  const kept: Drawn[] = []
  for (const route of drawn) {
    if (buildRouteTable(compileAll([...kept, route])).conflicts.length === 0) kept.push(route)
  }
  return kept
}

/** The rule without the tree: the narrowest of the patterns that match owns the path. */
function matchByRule(drawn: Drawn[], path: string, method: string): string {
  const matching = drawn.filter(({ text }) => pathsOf(text).has(path))
  if (matching.length === 0) return 'not_found'
  const owners = matching.filter(({ text }) =>
    matching.every((other) => within(pathsOf(text), pathsOf(other.text))),
  )
  assert.ok(owners.length > 0, `no narrowest pattern for ${path}`)
  const allowed = compileAll(owners).flatMap((owner) => [...methodsOf(owner)])
  const winner = compileAll(owners).find((owner) => methodsOf(owner).some((m) => m === method))
  return winner === undefined
    ? `405 ${allowed.sort().join(' ')}`
    : `${winner.route.path} ${winner.route.methods}`
}

function told(match: RouteMatch): string {
  if (match.kind === 'not_found') return match.kind
  if (match.kind === 'method_not_allowed') return `405 ${[...match.allow].sort().join(' ')}`
  return `${match.route.route.path} ${match.route.route.methods}`
}

test('the tree finds the narrowest pattern, and it alone decides about the method', () => {
  fc.assert(
    fc.property(routes, (drawn) => {
      const kept = withoutConflicts(drawn)
      const { table } = buildRouteTable(compileAll(kept))
      for (const path of PATHS) {
        for (const method of ['GET', 'HEAD', 'DELETE']) {
          assert.equal(told(table.match(path, method)), matchByRule(kept, path, method), path)
        }
      }
    }),
    { numRuns: 150 },
  )
})

test('the order of the routes in the file changes nothing', () => {
  fc.assert(
    fc.property(
      routes
        .map(withoutConflicts)
        .chain((kept) =>
          fc.tuple(
            fc.constant(kept),
            fc.shuffledSubarray(kept, { minLength: kept.length, maxLength: kept.length }),
          ),
        ),
      ([kept, shuffled]) => {
        const one = buildRouteTable(compileAll(kept)).table
        const other = buildRouteTable(compileAll(shuffled)).table
        for (const path of PATHS) {
          assert.equal(told(other.match(path, 'GET')), told(one.match(path, 'GET')), path)
        }
      },
    ),
    { numRuns: 50 },
  )
})

test('a wider pattern does not answer for a method that the owner of a path refuses', () => {
  // Otherwise `POST /x/secret` would slip through `/x/*` past a rule that allows only GET.
  const { table } = buildRouteTable([compiled('/x/*', 0), compiled('/x/secret', 1, ['GET'])])
  assert.deepEqual(table.match('/x/secret', 'POST'), {
    kind: 'method_not_allowed',
    allow: ['GET', 'HEAD'],
  })
  assert.equal(table.match('/x/other', 'POST').kind, 'route')
})

test('two routes with one pattern share its path by method', () => {
  const { table, conflicts } = buildRouteTable([
    compiled('/x/{id}', 0, ['GET']),
    compiled('/x/{key}', 1, ['POST', 'DELETE']),
  ])
  assert.deepEqual(conflicts, [])
  const routeOf = (method: string) => {
    const match = table.match('/x/1', method)
    return match.kind === 'route' ? match.route.index : match.kind
  }
  assert.equal(routeOf('GET'), 0)
  assert.equal(routeOf('HEAD'), 0)
  assert.equal(routeOf('DELETE'), 1)
  assert.deepEqual(table.match('/x/1', 'PUT'), {
    kind: 'method_not_allowed',
    allow: ['GET', 'HEAD', 'POST', 'DELETE'],
  })
})

test('a method that nobody knows is refused, not routed', () => {
  const { table } = buildRouteTable([compiled('/x', 0)])
  assert.deepEqual(table.match('/x', 'TRACE'), { kind: 'method_not_allowed', allow: [...METHODS] })
  assert.equal(table.match('/x', 'get').kind, 'method_not_allowed')
})

test('captures come in the order of the pattern and build the upstream path', () => {
  const cases: [text: string, path: string, captures: string[], upstream: string][] = [
    ['/a/{x}/b/{y}', '/a/1/b/2', ['1', '2'], '/1|2'],
    ['/a/{x}/*', '/a/1/', ['1', ''], '/1|'],
    ['/a/{x}/*', '/a/1/2/3/', ['1', '2/3/'], '/1|2/3/'],
    ['/a/b*', '/a/bc/d', ['c/d'], '/c/d|'],
    ['/a/b*', '/a/b', [''], '/|'],
    ['/a/{x}', '/a/%C3%A9;v=1', ['%C3%A9;v=1'], '/%C3%A9;v=1|'],
  ]
  for (const [text, path, captures, upstream] of cases) {
    const route = { ...compiled(text, 0), upstream: ['/', 0, '|', 1] }
    const match = buildRouteTable([route]).table.match(path, 'GET')
    assert.equal(match.kind, 'route', `${text} does not match ${path}`)
    if (match.kind !== 'route') return
    assert.deepEqual(match.captures, captures)
    assert.equal(upstreamPath(match.route, match.captures), upstream)
  }
})

test('captures of a branch that leads nowhere are forgotten', () => {
  const { table } = buildRouteTable([compiled('/{x}/{y}/end', 0), compiled('/*', 1)])
  const match = table.match('/a/b/c', 'GET')
  assert.deepEqual(match.kind === 'route' && match.captures, ['a/b/c'])
})
