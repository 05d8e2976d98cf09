import type { Backend, Chain, LinkResult, Route } from './api/admin.ts'
import { linkName } from './link-names.ts'

export type LinkState = LinkResult['state']

/** One route with its chain. */
export type ChainRow = {
  id: string
  path: string | undefined
  service: string
  /** Null: the map names none. Undefined: not known yet. */
  audience: string | null | undefined
  scopes: string | undefined
  state: LinkState
  links: readonly LinkResult[]
}

/** A route holds when every link does; one that nobody here can judge leaves it open. */
export function stateOf(links: readonly LinkResult[]): LinkState {
  if (links.some(({ state }) => state === 'broken')) return 'broken'
  return links.some(({ state }) => state === 'unknown') ? 'unknown' : 'holds'
}

/** `14 links: 7 hold, 1 broken (Audience of the service), 6 unknown`. */
export function describeLinks(links: readonly LinkResult[]): string {
  const of = (state: LinkState) => links.filter((link) => link.state === state)
  const [holds, broken, unknown] = [of('holds'), of('broken'), of('unknown')]
  const total = `${links.length} ${links.length === 1 ? 'link' : 'links'}`
  if (holds.length === links.length) return `${total}, and every one holds`
  const names = broken.map(({ link }) => linkName(link)).join(', ')
  const parts = [
    `${holds.length} ${holds.length === 1 ? 'holds' : 'hold'}`,
    ...(broken.length > 0 ? [`${broken.length} broken (${names})`] : []),
    ...(unknown.length > 0 ? [`${unknown.length} unknown`] : []),
  ]
  return `${total}: ${parts.join(', ')}`
}

/** What is broken first, then what is unknown, each in the order of the file. */
export function chainRows(
  chains: readonly Chain[],
  routes: readonly Route[],
  backends: readonly Backend[],
): ChainRow[] {
  const pathOf = new Map(routes.map(({ id, path }) => [id, path]))
  const audienceOf = new Map(backends.map(({ service, audience }) => [service, audience ?? null]))
  const rows = chains.map(({ route, service, links }) => ({
    id: route,
    path: pathOf.get(route),
    service,
    audience: audienceOf.get(service),
    scopes: scopesIn(links),
    state: stateOf(links),
    links,
  }))
  return rows.sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state))
}

const ORDER: readonly LinkState[] = ['broken', 'unknown', 'holds']

/** The gateway tells a service's scopes only in the words of their link: `"api.read" leads to …`. */
function scopesIn(links: readonly LinkResult[]): string | undefined {
  const link = links.find(({ link }) => link === 'service_scopes')
  return link?.state === 'holds' ? /^"([^"]+)" leads to /.exec(link.evidence)?.[1] : undefined
}
