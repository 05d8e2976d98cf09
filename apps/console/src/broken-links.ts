import type { BrokenLink, BrokenRoute, Place } from './api/admin.ts'

/** One thing to mend, and the routes that it stops. */
export type BrokenGroup = { link: BrokenLink; routes: string[] }

/** The same place with the same mend, told by several routes, is one thing to mend. */
export function groupBroken(broken: readonly BrokenRoute[]): BrokenGroup[] {
  const groups = new Map<string, BrokenGroup>()
  for (const link of broken) {
    const identity = JSON.stringify([link.code, link.at, link.mend])
    const group = groups.get(identity)
    if (group === undefined) groups.set(identity, { link, routes: [link.route] })
    else group.routes.push(link.route)
  }
  return [...groups.values()].sort((a, b) => b.routes.length - a.routes.length)
}

/** As an editor takes it. */
export function formatPlace({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`
}
