import type { BridgeConfig, ConfigFile } from './bridge-config.ts'
import type { IdpIndex } from './bridge-index.ts'
import type { KeyPath } from './document.ts'
import type { BrokenLink, LinkName, LinkResult } from './link.ts'
import type { Edit, Patch } from './patch.ts'
import { requirementOf, type TokenRequirement } from './requirement.ts'
import type { CompiledRoute } from './route-table.ts'
import { trueAudience } from './true-audience.ts'

/* What every link's judge is made of. */

/** Judges one link of one route; pure, over the files alone. */
export type Judge = (config: BridgeConfig, route: CompiledRoute) => LinkResult

export const NO_IDP_FILES = "the IdP's files are not readable here (idp_config_dir)"
export const EARLIER = 'an earlier link is broken'
export const NO_TOKEN = 'this route forwards no token of ours'

export const holds = (link: LinkName, evidence: string): LinkResult => ({
  link,
  state: 'holds',
  evidence,
})

export const unknown = (link: LinkName, why: string): LinkResult => ({
  link,
  state: 'unknown',
  why,
})

/** A break, with the place that must change. */
export function broken(
  config: BridgeConfig,
  link: LinkName,
  code: string,
  [file, path]: [file: ConfigFile, path: KeyPath],
  told: { found: string; expected: string; mend: string; patch?: Patch | undefined },
): BrokenLink {
  return { link, state: 'broken', code, at: config.placeOf(file, path), ...told }
}

export function patchOf(config: BridgeConfig, file: ConfigFile, edits: readonly Edit[]): Patch {
  return { file: config.nameOf(file), edits }
}

/** The scopes, audience and mint of a route that forwards a token of ours, with the IdP's side. */
export function bridgedToken(
  config: BridgeConfig,
  { route }: CompiledRoute,
): { requirement: TokenRequirement; idp: IdpIndex } | string {
  if (route.auth !== 'session') return NO_TOKEN
  const requirement = requirementOf(config.settings, route.target_service)
  if (requirement === undefined) return EARLIER
  if (config.idpIndex === undefined) return NO_IDP_FILES
  // Told once, at the map, and not again at every place that disagrees with it.
  if (trueAudience(config, requirement) !== requirement.audience) return EARLIER
  return { requirement, idp: config.idpIndex }
}

/** Where the audience of a service is written: in V2's map, or in V1's. */
export function audienceKey({ settings }: BridgeConfig, service: string): KeyPath {
  return settings.service_audiences[service] === undefined && settings.service_tokens?.[service]
    ? ['service_tokens', service, 'audience']
    : ['service_audiences', service]
}

/** The audience of a service as its file writes it, templates and all. */
export const audienceText = (config: BridgeConfig, { service, audience }: TokenRequirement) =>
  config.textOf('settings', audienceKey(config, service)) ?? audience

export const quote = (words: readonly string[]) => words.map((word) => `"${word}"`).join(', ')

/** Names to choose from: all of a few, the first of many. */
export function listOf(names: readonly string[]): string {
  const shown = names.slice(0, 8)
  const more = names.length - shown.length
  return more === 0 ? shown.join(', ') : `${shown.join(', ')} and ${more} more`
}
