import type { Access } from './access.ts'

/** What somebody gains or loses from one state of the files to another. */
export interface AccessChange {
  change: 'gains' | 'loses'
  access: Access
}

/** The difference of two states; a change of scopes is told as the scopes gained and those lost. */
export function diffAccess(before: readonly Access[], after: readonly Access[]): AccessChange[] {
  const old = grouped(before)
  const now = grouped(after)
  const changes = [...new Set([...old.keys(), ...now.keys()])].flatMap((key): AccessChange[] => {
    const was = old.get(key)
    const is = now.get(key)
    const access = is ?? was
    if (access === undefined) return []
    const gained = is?.scopes.filter((scope) => !was?.scopes.includes(scope)) ?? []
    const lost = was?.scopes.filter((scope) => !is?.scopes.includes(scope)) ?? []
    return [
      ...(gained.length > 0 || was === undefined
        ? [{ change: 'gains', access: { ...access, scopes: gained } } as const]
        : []),
      ...(lost.length > 0 || is === undefined
        ? [{ change: 'loses', access: { ...access, scopes: lost } } as const]
        : []),
    ]
  })
  return changes.sort((a, b) => compare(sortKey(a), sortKey(b)))
}

/** Several entries of one thing add up. The name of a service is a label, not a part of the access. */
function grouped(all: readonly Access[]): Map<string, Access> {
  const groups = Map.groupBy(all, ({ kind, who, with: held, service, audience, to }) =>
    JSON.stringify([kind, who, held, kind === 'token' ? '' : service, audience, to]),
  )
  const merged = [...groups].flatMap(([key, [first, ...more]]): [string, Access][] => {
    if (first === undefined) return []
    const scopes = new Set([first, ...more].flatMap((access) => access.scopes))
    return [[key, { ...first, scopes: [...scopes] }]]
  })
  return new Map(merged)
}

const ORDER = { route: 0, bridge: 1, token: 2 } as const

const sortKey = ({ change, access }: AccessChange) =>
  [ORDER[access.kind], access.who, access.service, access.with, access.audience, change].join('\0')

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
