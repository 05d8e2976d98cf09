import { decideAudience, reachableScopes } from './audience-policy.ts'
import type { BridgeConfig } from './bridge-config.ts'
import type { ScopeMapping } from './idp-settings.ts'
import { type MappingAdvice, narrowMappings } from './narrow-mappings.ts'
import type { Edit, Patch } from './patch.ts'
import { reach, requirementOf, type TokenRequirement } from './requirement.ts'
import { doubtsOf, type Evidence, neededBy, sortEvidence, TRUNCATED } from './scope-evidence.ts'
import { type ScopeUsage, type ScopeUsageRow, scopesIn, serves } from './scope-usage.ts'

/*
 * Least privilege from evidence. Services report which scope each call needed, the least powerful
 * sufficient one. The union of these over a window is what a service's token must carry, and where
 * `service_scopes` asks for more, the union is proposed in its place. Caution decides every doubt:
 * a call without a report, evidence that is cut short, a scope that the IdP would not issue, or a
 * proposal that would open what was refused leaves the service as it is, with the reason.
 */

export interface NarrowedService {
  service: string
  audience: string
  /**
   * `narrower`: fewer would have served every call. `least`: nothing to take away. `undecided`:
   * see `reasons`. `unused`: no call in the window.
   */
  state: 'narrower' | 'least' | 'undecided' | 'unused'
  /** What a token is asked for now. */
  present: readonly string[]
  /** What the calls needed, as the service reported. */
  needed: readonly string[]
  /** What would have served every call that reported; only when it is narrower than `present`. */
  proposed: readonly string[] | undefined
  /** Why it is undecided, or why nothing is taken away. */
  reasons: readonly string[]
  calls: readonly ScopeUsageRow[]
  /** Calls of which nobody knows what they needed. */
  unreported: readonly ScopeUsageRow[]
  /** Calls that are refused for want of a scope, with all that is configured now. */
  refused: readonly ScopeUsageRow[]
  /** Calls that `proposed` would not have served, or of which nobody knows. */
  would_fail: readonly ScopeUsageRow[]
  /** For the BFF team; exactly when `narrower`. */
  patch?: Patch
}

export interface Narrowing {
  services: readonly NarrowedService[]
  /** For the IdP team. */
  mappings: MappingAdvice
}

/** What the evidence says of every service that a session's token is minted for. */
export function narrow(config: BridgeConfig, usage: ScopeUsage): Narrowing {
  const ours = usage.rows.filter((row) => carriedOurToken(config, row))
  const rows = Map.groupBy(ours, ({ service }) => service)
  const services = requirementsOf(config).map((requirement) =>
    narrowService(config, requirement, rows.get(requirement.service) ?? [], usage.truncated),
  )
  return { services, mappings: narrowMappings(config, services, usage.truncated) }
}

/** On other routes the token is the caller's own, and `service_scopes` has no say. */
function carriedOurToken(config: BridgeConfig, { route_id }: ScopeUsageRow): boolean {
  const route = config.routes.routes.find(({ id }) => id === route_id)
  return route === undefined || route.auth === 'session'
}

function requirementsOf({ settings, routes }: BridgeConfig): TokenRequirement[] {
  const routed = routes.routes.flatMap(({ auth, target_service }) =>
    auth === 'session' ? [target_service] : [],
  )
  const named = [
    ...Object.keys(settings.service_audiences),
    ...Object.keys(settings.service_tokens ?? {}),
  ]
  return [...new Set([...routed, ...named])].flatMap((service) => {
    const requirement = requirementOf(settings, service)
    return requirement === undefined ? [] : [requirement]
  })
}

function narrowService(
  config: BridgeConfig,
  requirement: TokenRequirement,
  calls: readonly ScopeUsageRow[],
  truncated: boolean,
): NarrowedService {
  const present = presentScopes(config, requirement)
  const evidence = sortEvidence(calls, new Set(present))
  const needed = [...new Set(evidence.needing.flatMap(neededBy))].sort()
  const service: NarrowedService = {
    service: requirement.service,
    audience: requirement.audience,
    state: 'least',
    present,
    needed,
    proposed: undefined,
    reasons: [],
    calls,
    unreported: evidence.unreported,
    refused: evidence.refused,
    would_fail: [],
  }
  if (calls.length === 0) {
    return truncated
      ? { ...service, state: 'undecided', reasons: [TRUNCATED] }
      : { ...service, state: 'unused' }
  }
  const kept = whyKept(config, requirement, present, needed, evidence)
  const doubts = [...(truncated ? [TRUNCATED] : []), ...doubtsOf(evidence, present, needed)]
  if (kept !== undefined) {
    const state = doubts.length > 0 ? 'undecided' : 'least'
    return { ...service, state, reasons: [...doubts, kept] }
  }
  const carried = new Set(needed)
  const unserved = evidence.needing.filter((row) => !serves(carried, row))
  const judged = {
    ...service,
    proposed: needed,
    reasons: doubts,
    would_fail: [...unserved, ...evidence.unreported, ...evidence.unclear],
  }
  if (doubts.length > 0 || unserved.length > 0) return { ...judged, state: 'undecided' }
  return { ...judged, state: 'narrower', patch: patchFor(config, requirement.service, needed) }
}

/** Naming no scope asks for all that lead to the audience. */
function presentScopes(config: BridgeConfig, requirement: TokenRequirement): readonly string[] {
  if (requirement.scopes.length > 0) return requirement.scopes
  const decision = issue(config, requirement, undefined)
  return decision?.kind === 'granted' ? decision.scopes : []
}

const NOT_KNOWN =
  'whether the IdP would issue it is not known here: its files are not readable (idp_config_dir)'

/** Why the needed scopes cannot take the place of the present ones; undefined when they can. */
function whyKept(
  config: BridgeConfig,
  requirement: TokenRequirement,
  present: readonly string[],
  needed: readonly string[],
  evidence: Evidence,
): string | undefined {
  if (requirement.mint === 'login_token') {
    return "the login's own token is forwarded as it is: auth.oauth_scopes decides what it carries"
  }
  if (present.length === 0) return 'which scopes a token carries is not known here'
  if (needed.length === 0) {
    return 'no call that reported needed a scope, and a token for no scope cannot be asked for'
  }
  if (config.idp === undefined && needed.some((scope) => !present.includes(scope))) {
    return `"${needed.join(' ')}" would have served; ${NOT_KNOWN}`
  }
  const wider = needed.filter((scope) => !isLesser(config, present, scope, evidence))
  if (wider.length > 0) {
    return `"${wider.join(' ')}" was needed, which "${present.join(' ')}" does not hold`
  }
  const mappings = mappingsOf(config)
  const covered = reachableScopes(mappings, needed)
  if (present.every((scope) => covered.has(scope))) return 'the calls needed all of it'
  const refusal = issuanceFault(config, requirement, present, needed)
  return refusal && `"${needed.join(' ')}" would have served, but ${refusal}`
}

/**
 * Whether a scope is of those present or implied by them, or did the same work as they at the service
 * while it leads to fewer audiences.
 */
function isLesser(
  config: BridgeConfig,
  present: readonly string[],
  scope: string,
  { needing }: Evidence,
): boolean {
  const mappings = mappingsOf(config)
  if (reachableScopes(mappings, present).has(scope)) return true
  const own = audiencesReached(mappings, [scope])
  return needing.some((row) => {
    const carried = scopesIn(row.token_scopes)
    if (row.refused || !neededBy(row).includes(scope)) return false
    if (!carried.every((one) => present.includes(one))) return false
    const theirs = audiencesReached(mappings, carried)
    return own.size < theirs.size && [...own].every((audience) => theirs.has(audience))
  })
}

function audiencesReached(mappings: readonly ScopeMapping[], scopes: readonly string[]) {
  const { audiencesByScope } = reach(mappings, scopes)
  return new Set([...audiencesByScope.values()].flatMap((audiences) => [...audiences]))
}

const mappingsOf = ({ idp }: BridgeConfig) =>
  idp?.settings.token.audience_mappings.scope_mappings ?? []

/** The IdP's decision about a token of the service; undefined where its files cannot be read. */
function issue(
  { idp, settings }: BridgeConfig,
  { audience, mint }: TokenRequirement,
  requested: readonly string[] | undefined,
) {
  const client = idp?.clients[settings.auth.client_id]
  if (idp === undefined || client === undefined) return undefined
  return decideAudience(idp.settings.token.audience_mappings.scope_mappings, {
    clientId: settings.auth.client_id,
    allowed: client.allowed_audiences,
    granted: mint === 'client_credentials' ? client.scopes : scopesIn(settings.auth.oauth_scopes),
    audience,
    requested,
  })
}

/** Why the IdP would not issue a token with these scopes; never proposed then. */
function issuanceFault(
  config: BridgeConfig,
  requirement: TokenRequirement,
  present: readonly string[],
  needed: readonly string[],
): string | undefined {
  const { mint, requires } = requirement
  // What is asked for now was issued as a whole, and so is a part of it.
  const issuedAlready = requires === 'all' && needed.every((scope) => present.includes(scope))
  if (mint === 'refresh_resource' && !issuedAlready) {
    const login = scopesIn(config.settings.auth.oauth_scopes)
    const missing = needed.filter((scope) => !login.includes(scope))
    // RFC 6749 §6: a refresh cannot ask for what the login was not granted itself.
    if (missing.length > 0) {
      return `a refresh cannot ask for "${missing.join(' ')}", which auth.oauth_scopes does not name`
    }
  }
  const decision = issue(config, requirement, needed)
  if (decision === undefined) return issuedAlready ? undefined : NOT_KNOWN
  return decision.kind === 'granted'
    ? undefined
    : `the IdP would refuse it: ${decision.description}`
}

/** V2 names the scopes; an entry of the deprecated V1 map would contradict it and goes. */
function patchFor(config: BridgeConfig, service: string, needed: readonly string[]): Patch {
  const { service_tokens: v1, service_audiences: audiences } = config.settings
  const edits: Edit[] = []
  const old = v1?.[service]
  if (old !== undefined && audiences[service] === undefined) {
    edits.push({ op: 'set', path: ['service_audiences', service], value: old.audience })
  }
  edits.push({ op: 'set', path: ['service_scopes', service], value: needed.join(' ') })
  if (v1 !== undefined && old !== undefined) {
    const last = Object.keys(v1).length === 1
    edits.push({ op: 'remove', path: last ? ['service_tokens'] : ['service_tokens', service] })
  }
  return { file: config.nameOf('settings'), edits }
}
