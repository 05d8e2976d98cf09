import type { BffRoutes, Route } from './bff-routes.ts'
import type { ConfigDocument, KeyPath } from './document.ts'
import type { Fault } from './fault.ts'
import { nearest } from './nearest.ts'
import { overlapsReserved, type RoutePattern, readPattern } from './route-path.ts'
import { buildRouteTable, type CompiledRoute, type RouteTable } from './route-table.ts'

/** Compiles the routes and finds the faults that lie between them. */
export function compileRoutes(
  file: BffRoutes,
  document: ConfigDocument<BffRoutes>,
): { routes: CompiledRoute[]; table: RouteTable; faults: Fault[] } {
  const faults: Fault[] = []
  const fault = (code: string, path: KeyPath, found: string, expected: string, mend: string) =>
    faults.push({
      kind: 'malformed',
      code,
      at: document.placeOf(path),
      key: path.join('.'),
      found,
      expected,
      mend,
    })

  const firstById = new Map<string, number>()
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
      )
    }
    const upstream = compileUpstream(route, read.pattern)
    if (typeof upstream === 'string') {
      fault(
        'unknown_capture',
        ['routes', index, 'upstream_path'],
        `{${upstream}}`,
        `a name that "${route.path}" captures`,
        `did you mean {${nearest(upstream, captureNames(read.pattern)) ?? captureNames(read.pattern)[0] ?? 'path'}}?`,
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
    )
  }
  return { routes, table, faults }
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
