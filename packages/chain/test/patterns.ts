import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Method } from '../src/bff-routes.ts'
import { type RoutePattern, readPattern } from '../src/route-path.ts'
import type { CompiledRoute } from '../src/route-table.ts'

/*
 * Patterns over so few names that random ones meet often, and every path over these names: what a
 * pattern means is then a set that can be written out, without the code under test.
 */

export function pattern(text: string): RoutePattern {
  const read = readPattern(text)
  assert.equal(read.kind, 'pattern', `${text} is no pattern`)
  return read.kind === 'pattern' ? read.pattern : { text, segments: [] }
}

const NAMES = ['a', 'ab', 'abz', 'az', 'z']

/** Every path of one to four segments over `NAMES`, with and without a slash at the end. */
export const PATHS: readonly string[] = (() => {
  let stems = ['']
  const paths = ['/']
  for (let depth = 1; depth <= 4; depth++) {
    stems = stems.flatMap((stem) => NAMES.map((name) => `${stem}/${name}`))
    paths.push(...stems, ...stems.map((stem) => `${stem}/`))
  }
  return paths
})()

const inner = fc.constantFrom('a', 'ab', 'z', '{x}')
const last = fc.constantFrom('a', 'ab', 'z', '', '{y}', '*', '*', 'a*', 'ab*')

/** Patterns of one to three segments. */
export const patternTexts: fc.Arbitrary<string> = fc
  .tuple(fc.array(inner, { maxLength: 2 }), last)
  .map(([start, end]) => {
    // Each name once.
    const named = start.map((segment, i) => (segment === '{x}' ? `{x${i}}` : segment))
    return `/${[...named, end].join('/')}`
  })
  .filter((text) => text !== '/')

/** The paths of `PATHS` that a pattern matches, by its text alone. */
export function pathsOf(text: string): Set<string> {
  let known = memo.get(text)
  if (known === undefined) {
    const source = text.replace(/\*$/, '.*').replace(/\{[^}]*\}/g, '[^/]+')
    const expression = new RegExp(`^${source}$`)
    known = new Set(PATHS.filter((path) => expression.test(path)))
    memo.set(text, known)
  }
  return known
}
const memo = new Map<string, Set<string>>()

export const within = (a: Set<string>, b: Set<string>) => [...a].every((path) => b.has(path))

/** How two sets of paths lie to one another. */
export function relateSets(a: Set<string>, b: Set<string>): string {
  if (![...a].some((path) => b.has(path))) return 'disjoint'
  if (within(a, b)) return within(b, a) ? 'same' : 'narrower'
  return within(b, a) ? 'wider' : 'crossing'
}

export function compiled(text: string, index: number, methods?: Method[]): CompiledRoute {
  return {
    route: {
      id: `${index}`,
      path: text,
      target_service: 's',
      auth: 'session',
      streaming: false,
      websocket: false,
      preserve_path: false,
      serves_pages: false,
      ...(methods === undefined ? {} : { methods }),
    },
    pattern: pattern(text),
    index,
    upstream: [text],
  }
}
