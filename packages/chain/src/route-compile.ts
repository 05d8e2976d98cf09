import { type BffRoutes, METHODS, type Route } from './bff-routes.ts'
import type { ConfigDocument, KeyPath } from './document.ts'
import type { Fault } from './fault.ts'
import { nearest } from './nearest.ts'
import type { Edit } from './patch.ts'
import { overlapsReserved, type RoutePattern, readPattern } from './route-path.ts'
import { buildRouteTable, type CompiledRoute, methodsOf, type RouteTable } from './route-table.ts'

/** Compiles the routes and finds the faults that lie between them. */
export function compileRoutes(
  file: BffRoutes,
  document: ConfigDocument<BffRoutes>,
): { routes: CompiledRoute[]; table: RouteTable; faults: Fault[] } {
  const faults: Fault[] = []
  const { file: name } = document
  const fault = (
    code: string,
    path: KeyPath,
    found: string,
    expected: string,
    mend: string,
    edit?: Edit,
  ) =>
    faults.push({
      kind: 'malformed',
      code,
      at: document.placeOf(path),
      key: path.join('.'),
      found,
      expected,
      mend,
      ...(edit === undefined ? {} : { patch: { file: name, edits: [edit] } }),
    })

  const firstById = new Map<string, number>()
  const ids = new Set(file.routes.map((route) => route.id))
  const routes: CompiledRoute[] = []
  for (const [index, route] of file.routes.entries()) {
    const first = firstById.get(route.id)
    if (first === undefined) firstById.set(route.id, index)
    else {
      const at = document.placeOf(['routes', first, 'id'])
      fault(
        'duplicate_id',
        ['routes', index, 'id'],
        `the id "${route.id}" of line ${at.line} again`,
        'each id once',
        `rename one of the two routes "${route.id}"`,
        { op: 'set', path: ['routes', index, 'id'], value: freeId(route.id, ids) },
      )
    }
    const read = readPattern(route.path)
    if (read.kind === 'refused') {
      fault(
        'invalid_path',
        ['routes', index, 'path'],
        `"${route.path}"`,
        read.reason,
        'change the path',
      )
      continue
    }
    const reserved = overlapsReserved(read.pattern)
    if (reserved !== undefined) {
      fault(
        'reserved_path',
        ['routes', index, 'path'],
        `"${route.path}", which overlaps ${reserved}`,
        'paths that the BFF does not serve itself',
        `choose a path that does not match ${reserved} or anything below it`,
      )
    }
    if (route.preserve_path && route.upstream_path !== undefined) {
      fault(
        'conflicting_keys',
        ['routes', index, 'preserve_path'],
        'preserve_path and upstream_path',
        'one of the two',
        'delete preserve_path or upstream_path',
        { op: 'remove', path: ['routes', index, 'preserve_path'] },
      )
    }
    if (route.websocket && route.methods?.includes('GET') === false) {
      fault(
        'conflicting_keys',
        ['routes', index, 'websocket'],
        'websocket: true, and methods without GET',
        'GET among the methods: every WebSocket begins as a GET',
        'add GET to methods, or delete websocket',
        { op: 'append', path: ['routes', index, 'methods'], value: 'GET' },
      )
    }
    const upstream = compileUpstream(route, read.pattern)
    if (typeof upstream === 'string') {
      const names = captureNames(read.pattern)
      const meant = nearest(upstream, names) ?? names[0]
      const path = ['routes', index, 'upstream_path']
      const text = document.textOf(path)
      fault(
        'unknown_capture',
        path,
        `{${upstream}}`,
        `a name that "${route.path}" captures`,
        meant === undefined
          ? `write the name out, or capture it in path`
          : `did you mean {${meant}}?`,
        meant === undefined || text === undefined
          ? undefined
          : { op: 'set', path, value: text.replace(`{${upstream}}`, `{${meant}}`) },
      )
      continue
    }
    routes.push({ route, pattern: read.pattern, index, upstream })
  }

  const { table, conflicts } = buildRouteTable(routes)
  for (const { kind, route, other } of conflicts) {
    const at = document.placeOf(['routes', other.index, 'path'])
    fault(
      kind === 'shadowed' ? 'route_shadowed' : 'route_ambiguous',
      ['routes', route.index, 'path'],
      kind === 'shadowed'
        ? `the route "${route.route.id}", which matches the same paths and methods as "${other.route.id}" (line ${at.line})`
        : `the route "${route.route.id}", which crosses "${other.route.id}" (line ${at.line}): some paths match both and neither is more specific`,
      'at most one route for each path and method',
      kind === 'shadowed'
        ? `delete "${route.route.id}" or "${other.route.id}", or give them different methods`
        : `narrow "${route.route.path}" or "${other.route.path}" so that one lies within the other`,
      kind === 'shadowed' ? unshadow(route, other) : undefined,
    )
  }
  return { routes, table, faults }
}

/** The later route keeps what the earlier one does not answer; with nothing left, it goes. */
function unshadow(route: CompiledRoute, other: CompiledRoute): Edit {
  const taken = new Set(methodsOf(other))
  const left = (route.route.methods ?? METHODS).filter((method) => !taken.has(method))
  const path = ['routes', route.index]
  return left.length === 0
    ? { op: 'remove', path }
    : { op: 'set', path: [...path, 'methods'], value: left }
}

function freeId(id: string, taken: Set<string>): string {
  for (let n = 2; ; n++) {
    const free = `${id}-${n}`
    if (!taken.has(free)) {
      taken.add(free)
      return free
    }
  }
}

function captureNames(pattern: RoutePattern): string[] {
  return pattern.segments.flatMap((segment) =>
    segment.kind === 'param' ? [segment.name] : segment.kind === 'rest' ? ['path'] : [],
  )
}

/** The compiled upstream path, or the name of a capture that the pattern does not have. */
function compileUpstream(route: Route, pattern: RoutePattern): (string | number)[] | string {
  const names = captureNames(pattern)
  const template = route.upstream_path ?? route.path.replace(/\*$/, '{path}')
  const parts: (string | number)[] = []
  for (const [i, part] of template.split(/\{([^}]*)\}/).entries()) {
    if (i % 2 === 0) parts.push(part)
    else {
      const number = names.indexOf(part)
      if (number === -1) return part
      parts.push(number)
    }
  }
  return parts
}
