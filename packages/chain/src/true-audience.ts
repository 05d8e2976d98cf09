import type { BridgeConfig } from './bridge-config.ts'
import { nearest } from './nearest.ts'
import type { Edit } from './patch.ts'
import type { TokenRequirement } from './requirement.ts'

/*
 * Which audience is meant, where the files disagree or one of them is silent. A proposal for a mend
 * that a person sees before it is applied; nothing is ever matched by it.
 */

/** The audience of a service that `service_audiences` lacks, as far as the other files tell. */
export interface ToldAudience {
  audience: string
  edit: Edit
  /** The key under which it stands now. */
  misnamed?: string
}

export function tellAudience(config: BridgeConfig, service: string): ToldAudience | undefined {
  const { service_audiences: audiences } = config.settings
  const unused = Object.keys(audiences).filter((name) => !config.routes.services[name])
  const misnamed = nearest(service, unused)
  if (misnamed !== undefined) {
    return {
      audience: audiences[misnamed] ?? '',
      edit: { op: 'rename', path: ['service_audiences', misnamed], to: service },
      misnamed,
    }
  }
  const audience = config.backends[service]?.auth.audience ?? namesake(config, service)
  if (audience === undefined) return undefined
  return { audience, edit: { op: 'set', path: ['service_audiences', service], value: audience } }
}

/** The one mapped audience that bears the service's name and is no other service's. */
function namesake({ settings, idpIndex }: BridgeConfig, service: string): string | undefined {
  if (idpIndex === undefined) return undefined
  const name = service.replace(/_service$/, '').toLowerCase()
  const taken = new Set(Object.values(settings.service_audiences))
  const mapped = new Set(idpIndex.mappings.flatMap(({ audiences }) => audiences))
  const bearers = [...mapped].filter(
    (audience) =>
      !taken.has(audience) &&
      audience
        .toLowerCase()
        .split(/[^a-z0-9_-]+/)
        .includes(name),
  )
  return bearers.length === 1 ? bearers[0] : undefined
}

/**
 * Of the audiences that the files write for one service, the one that most of them agree on: the
 * BFF's map, the IdP's mappings, the client's allowed audiences, and the backend, whose word counts
 * more than one other's, because it is the one that compares.
 */
export function trueAudience(
  { idpIndex, backends }: BridgeConfig,
  { service, audience }: TokenRequirement,
): string {
  const backend = backends[service]?.auth.audience
  const isMapped = (one: string) => (idpIndex?.byMapping.scopesOf(one).length ?? 0) > 0
  const isAllowed = (one: string) => idpIndex?.allowedAudiences.has(one) === true
  const agreed = isMapped(audience) && isAllowed(audience)
  if (agreed && (backend === undefined || backend === audience)) return audience
  const candidates = [
    ...(backend === undefined ? [] : [backend]),
    ...(idpIndex?.nearMapped(audience) ?? []),
    ...(idpIndex?.nearAllowed(audience) ?? []),
    audience,
  ]
  const votes = (candidate: string) =>
    (candidate === audience ? 1 : 0) +
    (isMapped(candidate) ? 1 : 0) +
    (isAllowed(candidate) ? 1 : 0) +
    (candidate === backend ? 1.5 : 0)
  return candidates.reduce((best, one) => (votes(one) > votes(best) ? one : best), audience)
}
