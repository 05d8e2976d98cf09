import type { BridgeConfig } from './bridge-config.ts'
import type { Chain } from './chain.ts'
import { formatPlace } from './fault.ts'
import type { BrokenLink, LinkResult } from './link.ts'
import type { Observation } from './observation.ts'
import { OBSERVED_LINKS } from './observed-links.ts'

/** Why a request was answered as it was: every link with its evidence, and the first that broke. */
export interface Explanation {
  request: Observation
  links: LinkResult[]
  broken: BrokenLink | undefined
}

/** Links of the files that explain a failed login rather than a failed route. */
const LOGIN_LINKS: ReadonlySet<string> = new Set([
  'idp_issuer',
  'client',
  'client_scopes',
  'redirect_uri',
  'cookie',
])

/**
 * Joins what the request showed with what the files show of its route.
 *
 * A link of the files is blamed only where the request stopped for want of a token or backend: a
 * missing session is the session's, however broken the rest of the chain may be.
 *
 * @param chain the route's chain under the configuration of the request; undefined without a route.
 */
export function explain(
  config: BridgeConfig,
  chain: Chain | undefined,
  request: Observation,
): Explanation {
  const seen = OBSERVED_LINKS.map((judge) => judge(config, request)).filter(
    (link) => link !== undefined,
  )
  const login =
    request.route === undefined && request.edge === undefined && request.path.startsWith('/auth/')
  const files = (chain?.links ?? []).filter(({ link }) => !login || LOGIN_LINKS.has(link))
  const at = seen.findIndex(({ link }) => FILES_BEFORE.has(link))
  const split = at === -1 ? seen.length : at
  const links = [...seen.slice(0, split), ...files, ...seen.slice(split)]
  return {
    request,
    links,
    broken: request.status < 400 ? undefined : firstBroken(seen, files, login, request.problem),
  }
}

/** Where a request comes to lean on the files' links. */
const FILES_BEFORE: ReadonlySet<string> = new Set([
  'idp',
  'client_authentication',
  'grant',
  'token',
  'upstream',
  'backend',
])
/** Breaks that no file explains better. */
const OWN_BREAKS: ReadonlySet<string> = new Set([
  'edge',
  'route',
  'origin',
  'store',
  'session',
  'csrf',
  'idp',
  'client_authentication',
  'grant',
])

function firstBroken(
  seen: readonly LinkResult[],
  files: readonly LinkResult[],
  login: boolean,
  problem: string | undefined,
): BrokenLink | undefined {
  const isBroken = (link: LinkResult): link is BrokenLink => link.state === 'broken'
  // Who comes too often is told so, and not to sign in.
  const excess = seen.filter(isBroken).find(({ link }) => link === 'rate')
  if (excess !== undefined) return excess
  const shown = seen.find(isBroken)
  if (login) {
    // Only the links of a login can explain a login; the store and the IdP's absence come first.
    if (shown !== undefined && ['store', 'idp', 'client_authentication'].includes(shown.link))
      return shown
    // The login stopped for its cookie; that another link is broken, too, comes after.
    const cookie = files.filter(isBroken).find(({ link }) => link === 'cookie')
    if (problem === 'LOGIN_STATE_INVALID' && cookie !== undefined) return cookie
    return files.filter(isBroken).find(({ link }) => LOGIN_LINKS.has(link)) ?? shown
  }
  if (shown === undefined) return undefined
  if (OWN_BREAKS.has(shown.link)) return shown
  const blamed = files
    .filter(isBroken)
    .find(({ link }) => !LOGIN_LINKS.has(link) || link === 'client' || link === 'client_scopes')
  return blamed ?? shown
}

/** The explanation as lines for a terminal or a problem document; never with a token or a secret. */
export function renderExplanation({ request, links, broken }: Explanation): string {
  const head = `${request.method} ${request.path} → ${request.status}${request.problem === undefined ? '' : ` ${request.problem}`}   ${request.at}   ${request.id}`
  const trace = request.trace_id === undefined ? [] : [`  trace  ${request.trace_id}`]
  const lines = links.map((link) => renderLink(link, broken))
  if (broken === undefined) return [head, ...trace, ...lines].join('\n')
  const place = broken.at === undefined ? '' : `\n  at     ${formatPlace(broken.at)}`
  return `${[head, ...trace, ...lines].join('\n')}${place}\n  mend   ${broken.mend}`
}

function renderLink(link: LinkResult, first: BrokenLink | undefined): string {
  switch (link.state) {
    case 'holds':
      return `  ok     ${link.link}: ${link.evidence}`
    case 'unknown':
      return `  ?      ${link.link}: ${link.why}`
    case 'broken': {
      const mark = link === first ? 'BROKEN' : 'broken'
      return `  ${mark} ${link.link} [${link.code}]: found ${link.found}; expected ${link.expected}`
    }
  }
}
