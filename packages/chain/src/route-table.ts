import type { Method, Route } from './bff-routes.ts'
import { METHODS } from './bff-routes.ts'
import { type PatternRelation, type RoutePattern, relatePatterns } from './route-path.ts'

/**
 * All routes, compiled once per configuration into a tree of path segments: matching costs the
 * length of the path, not the number of routes. The most specific pattern owns a path whatever its
 * place in the file, and alone decides about methods: falling back to a wider pattern would let
 * `POST /admin/x` slip past an `/admin/x` that allows only GET.
 */
export interface RouteTable {
  match(path: string, method: string): RouteMatch
}

export type RouteMatch =
  | { kind: 'route'; route: CompiledRoute; captures: readonly string[] }
  | { kind: 'method_not_allowed'; allow: readonly string[] }
  | { kind: 'not_found' }

/** A route with what is precomputed from its file entry. */
export interface CompiledRoute {
  route: Route
  pattern: RoutePattern
  /** Place in routes.yaml, from 0. */
  index: number
  /** Upstream path as literal texts (even places) and numbers of captures (odd places). */
  upstream: readonly (string | number)[]
}

/** Two routes that both match some path, with neither to be preferred. */
export interface RouteConflict {
  kind: 'shadowed' | 'ambiguous'
  /** The later one in the file. */
  route: CompiledRoute
  other: CompiledRoute
}

interface Owner {
  pattern: RoutePattern
  routes: CompiledRoute[]
  byMethod: Map<string, CompiledRoute>
}

interface Node {
  literals: Map<string, Node>
  param: Node | undefined
  /** Longest prefix first. */
  rests: { prefix: string; owner: Owner }[]
  owner: Owner | undefined
}

const newNode = (): Node => ({ literals: new Map(), param: undefined, rests: [], owner: undefined })

const newOwner = (pattern: RoutePattern): Owner => ({ pattern, routes: [], byMethod: new Map() })

/** Builds the table; a table with conflicts must not be served. */
export function buildRouteTable(routes: readonly CompiledRoute[]): {
  table: RouteTable
  conflicts: RouteConflict[]
} {
  const root = newNode()
  const conflicts: RouteConflict[] = []
  for (const route of routes) {
    for (const owner of overlapping(root, route.pattern)) {
      const relation = relatePatterns(route.pattern, owner.pattern)
      for (const other of owner.routes) {
        const kind = conflictKind(relation, route, other)
        if (kind !== undefined) conflicts.push({ kind, route, other })
      }
    }
    insert(root, route)
  }
  return { table: { match: (path, method) => match(root, path, method) }, conflicts }
}

function conflictKind(
  relation: PatternRelation,
  a: CompiledRoute,
  b: CompiledRoute,
): RouteConflict['kind'] | undefined {
  if (relation === 'crossing') return 'ambiguous'
  if (relation !== 'same') return undefined
  const inA = new Set(methodsOf(a))
  return methodsOf(b).some((method) => inA.has(method)) ? 'shadowed' : undefined
}

/** The methods a route answers; GET brings HEAD along (RFC 9110 §9.3.2). */
export function methodsOf({ route }: CompiledRoute): readonly Method[] {
  if (route.methods === undefined) return METHODS
  return route.methods.includes('GET') && !route.methods.includes('HEAD')
    ? [...route.methods, 'HEAD']
    : route.methods
}

function insert(root: Node, route: CompiledRoute): void {
  let node = root
  for (const segment of route.pattern.segments) {
    if (segment.kind === 'rest') {
      const known = node.rests.find(({ prefix }) => prefix === segment.prefix)
      const owner = known?.owner ?? newOwner(route.pattern)
      if (known === undefined) {
        node.rests.push({ prefix: segment.prefix, owner })
        node.rests.sort((a, b) => b.prefix.length - a.prefix.length)
      }
      own(owner, route)
      return
    }
    if (segment.kind === 'param') {
      node.param ??= newNode()
      node = node.param
    } else {
      let next = node.literals.get(segment.text)
      if (next === undefined) {
        next = newNode()
        node.literals.set(segment.text, next)
      }
      node = next
    }
  }
  node.owner ??= newOwner(route.pattern)
  own(node.owner, route)
}

function own(owner: Owner, route: CompiledRoute): void {
  owner.routes.push(route)
  for (const method of methodsOf(route)) {
    if (!owner.byMethod.has(method)) owner.byMethod.set(method, route)
  }
}

/** The owners whose pattern matches some path that `pattern` matches too. */
function overlapping(root: Node, pattern: RoutePattern): Owner[] {
  const found: Owner[] = []
  const all = (node: Node): void => {
    if (node.owner !== undefined) found.push(node.owner)
    for (const { owner } of node.rests) found.push(owner)
    for (const child of node.literals.values()) all(child)
    if (node.param !== undefined) all(node.param)
  }
  const visit = (node: Node, i: number): void => {
    const segment = pattern.segments[i]
    if (segment === undefined) {
      if (node.owner !== undefined) found.push(node.owner)
      return
    }
    const prefix = segment.kind === 'rest' ? segment.prefix : ''
    const text = segment.kind === 'literal' ? segment.text : undefined
    for (const rest of node.rests) {
      const meets =
        text === undefined
          ? rest.prefix.startsWith(prefix) || prefix.startsWith(rest.prefix)
          : text.startsWith(rest.prefix)
      if (meets) found.push(rest.owner)
    }
    if (segment.kind === 'rest') {
      for (const [literal, child] of node.literals) if (literal.startsWith(prefix)) all(child)
      if (node.param !== undefined) all(node.param)
      return
    }
    if (text !== undefined) {
      const child = node.literals.get(text)
      if (child !== undefined) visit(child, i + 1)
    } else for (const child of node.literals.values()) visit(child, i + 1)
    if (node.param !== undefined) visit(node.param, i + 1)
  }
  visit(root, 0)
  return found
}

function match(root: Node, path: string, method: string): RouteMatch {
  const captures: string[] = []
  const owner = find(root, path, 1, captures)
  if (owner === undefined) return { kind: 'not_found' }
  const route = owner.byMethod.get(method)
  if (route !== undefined) return { kind: 'route', route, captures }
  return { kind: 'method_not_allowed', allow: [...owner.byMethod.keys()] }
}

/** The most specific owner of the path from `from` on: literal before parameter before rest. */
function find(node: Node, path: string, from: number, captures: string[]): Owner | undefined {
  const slash = path.indexOf('/', from)
  const end = slash === -1 ? path.length : slash
  const segment = path.slice(from, end)

  const literal = node.literals.get(segment)
  if (literal !== undefined) {
    const owner = slash === -1 ? literal.owner : find(literal, path, slash + 1, captures)
    if (owner !== undefined) return owner
  }
  if (node.param !== undefined && segment !== '') {
    captures.push(segment)
    const owner = slash === -1 ? node.param.owner : find(node.param, path, slash + 1, captures)
    if (owner !== undefined) return owner
    captures.pop()
  }
  for (const rest of node.rests) {
    if (path.startsWith(rest.prefix, from)) {
      captures.push(path.slice(from + rest.prefix.length))
      return rest.owner
    }
  }
  return undefined
}

/** The path to ask the backend for. */
export function upstreamPath({ upstream }: CompiledRoute, captures: readonly string[]): string {
  let path = ''
  for (const part of upstream) path += typeof part === 'string' ? part : (captures[part] ?? '')
  return path
}
