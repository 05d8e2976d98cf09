import { type BridgeConfig, type BridgeSources, readBridgeConfig } from './bridge-config.ts'
import { judgeChain } from './chain.ts'
import type { Fault, Place } from './fault.ts'
import type { BrokenLink, LinkName } from './link.ts'
import type { Patch } from './patch.ts'
import type { Environment } from './variables.ts'

/** One thing to mend. */
export interface Finding {
  /** `malformed` refuses the start or the reload; `broken` stops its routes alone; `unsafe` stops nothing. */
  kind: Fault['kind']
  /** Stable name. */
  code: string
  at: Place | undefined
  /** The key concerned, where it is one key. */
  key?: string
  /** The link that breaks. */
  link?: LinkName
  /** Ids of the routes that it stops; empty where it stops them all, or none. */
  routes: readonly string[]
  found: string
  expected: string
  mend: string
  /** The mend, ready to be applied; absent where a person must decide. */
  patch?: Patch
}

/** All faults of all files and all broken links, each once, in the order of files and lines. */
export function checkBridge(sources: BridgeSources, env: Environment): Finding[] {
  const { config, faults } = readBridgeConfig(sources, env)
  return findingsOf(config, faults)
}

/** As `checkBridge`, of what was read already. */
export function findingsOf(config: BridgeConfig | undefined, faults: readonly Fault[]): Finding[] {
  const found = new Map<string, Finding>()
  for (const fault of faults) {
    const finding = ofFault(fault)
    found.set(identity(finding), finding)
  }
  const routes = new Map<string, string[]>()
  for (const route of config?.compiled ?? []) {
    if (config === undefined) break
    for (const link of judgeChain(config, route).links) {
      if (link.state !== 'broken') continue
      const finding = ofLink(link)
      const key = identity(finding)
      const stopped = routes.get(key)
      if (stopped === undefined) {
        const first = [route.route.id]
        routes.set(key, first)
        found.set(key, { ...finding, routes: first })
      } else stopped.push(route.route.id)
    }
  }
  return [...found.values()].sort(byPlace)
}

function ofFault({ kind, code, at, key, found, expected, mend, patch }: Fault): Finding {
  return {
    kind,
    code,
    at,
    ...(key === '' ? {} : { key }),
    routes: [],
    found,
    expected,
    mend,
    ...(patch === undefined ? {} : { patch }),
  }
}

function ofLink({ link, code, at, found, expected, mend, patch }: BrokenLink): Finding {
  return {
    kind: 'broken',
    code,
    at,
    link,
    routes: [],
    found,
    expected,
    mend,
    ...(patch === undefined ? {} : { patch }),
  }
}

/** The same thing told by two routes, or by two readings of a file: one place, and one mend. */
const identity = ({ code, at, found, patch }: Finding) =>
  JSON.stringify([code, at?.file, at?.line, at?.column, patch ?? found])

function byPlace(a: Finding, b: Finding): number {
  if (a.at === undefined || b.at === undefined) return a.at === b.at ? 0 : a.at ? -1 : 1
  return (
    compare(a.at.file, b.at.file) ||
    a.at.line - b.at.line ||
    a.at.column - b.at.column ||
    compare(a.code, b.code)
  )
}

/** By code units: the same order on every machine. */
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
