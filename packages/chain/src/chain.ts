import type { BridgeConfig } from './bridge-config.ts'
import type { BrokenLink, LinkResult } from './link.ts'
import { LINKS } from './links.ts'
import type { CompiledRoute } from './route-table.ts'

/**
 * The chain of one route: what must line up before its backend is called with a token. The one
 * model that the runtime, its logs and problems, and the administrator's tools all speak from.
 */

export interface Chain {
  route: string
  service: string
  links: LinkResult[]
  broken: BrokenLink | undefined
}

/** Judges every link of a route that the files decide. */
export function judgeChain(config: BridgeConfig, route: CompiledRoute): Chain {
  const links = LINKS.map((judge) => judge(config, route))
  return {
    route: route.route.id,
    service: route.route.target_service,
    links,
    broken: links.find((link) => link.state === 'broken'),
  }
}
