/**
 * Patterns of routes.yaml: `/a/{name}/b`, a final `*` (any rest, captured as `path`) and the
 * trailing-glob form `/access/v1/evaluation*`.
 */

export type PatternSegment =
  | { kind: 'literal'; text: string }
  | { kind: 'param'; name: string }
  /** Matches the rest of the path that starts with `prefix`; always last. */
  | { kind: 'rest'; prefix: string }

export interface RoutePattern {
  text: string
  segments: PatternSegment[]
}

export type ReadPattern =
  | { kind: 'pattern'; pattern: RoutePattern }
  | { kind: 'refused'; reason: string }

/** Origins that the BFF serves itself (design rule 8); the console lives at `/`. */
export const RESERVED_PREFIXES = [
  '/auth',
  '/api/auth',
  '/admin',
  '/health',
  '/metrics',
  '/.well-known',
] as const

const LITERAL = /^[A-Za-z0-9._~!$&'()+,=:@-]+$/

export function readPattern(text: string): ReadPattern {
  if (!text.startsWith('/')) return { kind: 'refused', reason: 'a path that starts with /' }
  const parts = text.slice(1).split('/')
  const names = new Set<string>()
  const segments: PatternSegment[] = []
  for (const [i, part] of parts.entries()) {
    const last = i === parts.length - 1
    const param = /^\{([A-Za-z_][A-Za-z0-9_]*)\}$/.exec(part)
    if (param?.[1] !== undefined) {
      if (names.has(param[1]))
        return { kind: 'refused', reason: `each {name} once, not two {${param[1]}}` }
      names.add(param[1])
      segments.push({ kind: 'param', name: param[1] })
    } else if (part.endsWith('*')) {
      const prefix = part.slice(0, -1)
      if (!last) return { kind: 'refused', reason: '* at the end only; name a segment with {name}' }
      if (prefix !== '' && !LITERAL.test(prefix))
        return { kind: 'refused', reason: 'plain characters before *' }
      if (names.has('path'))
        return { kind: 'refused', reason: '{path} is what * captures; name the segment otherwise' }
      segments.push({ kind: 'rest', prefix })
    } else if (part === '' && last && parts.length > 1) {
      segments.push({ kind: 'literal', text: '' })
    } else if (!LITERAL.test(part) || part === '.' || part === '..') {
      return { kind: 'refused', reason: 'segments of plain characters, {name}, or a final *' }
    } else segments.push({ kind: 'literal', text: part })
  }
  return { kind: 'pattern', pattern: { text, segments } }
}

/** How the paths that two patterns match lie to one another. */
export type PatternRelation = 'same' | 'narrower' | 'wider' | 'disjoint' | 'crossing'

/** Whether `a` matches the same paths as `b`, a part of them, more, none in common, or some. */
export function relatePatterns(a: RoutePattern, b: RoutePattern): PatternRelation {
  let aInB = true
  let bInA = true
  for (let i = 0; ; i++) {
    const left = a.segments[i]
    const right = b.segments[i]
    if (left === undefined || right === undefined) {
      if (left === right) break
      return 'disjoint'
    }
    if (left.kind === 'rest' || right.kind === 'rest') {
      const relation = relateRest(a.segments.slice(i), b.segments.slice(i))
      if (relation === 'disjoint') return 'disjoint'
      aInB &&= relation === 'same' || relation === 'narrower'
      bInA &&= relation === 'same' || relation === 'wider'
      break
    }
    if (left.kind === 'literal' && right.kind === 'literal') {
      if (left.text !== right.text) return 'disjoint'
    } else if (left.kind === 'literal') {
      // `{name}` takes one character at least.
      if (left.text === '') return 'disjoint'
      bInA = false
    } else if (right.kind === 'literal') {
      if (right.text === '') return 'disjoint'
      aInB = false
    }
  }
  if (aInB && bInA) return 'same'
  return aInB ? 'narrower' : bInA ? 'wider' : 'crossing'
}

/** As `relatePatterns`, from the first segment at which one of the two is `rest`. */
function relateRest(a: PatternSegment[], b: PatternSegment[]): PatternRelation {
  const [left] = a
  const [right] = b
  if (left?.kind === 'rest' && right?.kind === 'rest') {
    if (left.prefix === right.prefix) return 'same'
    if (left.prefix.startsWith(right.prefix)) return 'narrower'
    return right.prefix.startsWith(left.prefix) ? 'wider' : 'disjoint'
  }
  if (left?.kind === 'rest') return flip(relateRest(b, a))
  if (left === undefined || right?.kind !== 'rest') return 'disjoint'
  if (left.kind === 'literal') return left.text.startsWith(right.prefix) ? 'narrower' : 'disjoint'
  return right.prefix === '' ? 'narrower' : 'crossing'
}

function flip(relation: PatternRelation): PatternRelation {
  return relation === 'narrower' ? 'wider' : relation === 'wider' ? 'narrower' : relation
}

const RESERVED = RESERVED_PREFIXES.map((prefix) => ({
  prefix,
  patterns: [prefix, `${prefix}/*`].flatMap((text) => {
    const read = readPattern(text)
    return read.kind === 'pattern' ? [read.pattern] : []
  }),
}))

/** The first of the BFF's own prefixes of which the pattern matches some path. */
export function overlapsReserved(pattern: RoutePattern): string | undefined {
  return RESERVED.find(({ patterns }) =>
    patterns.some((reserved) => relatePatterns(pattern, reserved) !== 'disjoint'),
  )?.prefix
}
