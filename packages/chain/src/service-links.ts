import type { BridgeConfig, ConfigFile } from './bridge-config.ts'
import {
  audienceKey,
  broken,
  EARLIER,
  holds,
  type Judge,
  listOf,
  NO_TOKEN,
  patchOf,
  unknown,
} from './judge.ts'
import { nearMiss } from './near-miss.ts'
import { requirementOf, type TokenRequirement } from './requirement.ts'
import { tellAudience, trueAudience } from './true-audience.ts'

/* From the route to the service, and from the service to its audience. */

export const judgeTargetService: Judge = (config, { route, index }) => {
  const link = 'target_service'
  const service = route.target_service
  const known = config.routes.services[service]
  if (known !== undefined) return holds(link, `services.${service}.base_url is ${known.base_url}`)
  const meant = config.nearestService(service)
  const path = ['routes', index, 'target_service']
  return broken(config, link, 'target_service_unknown', ['routes', path], {
    found: `target_service "${service}", which services does not have`,
    expected: `one of ${listOf(Object.keys(config.routes.services))}`,
    mend:
      meant === undefined
        ? `add services.${service}.base_url`
        : `did you mean "${meant}"? Otherwise add services.${service}.base_url`,
    patch:
      meant === undefined
        ? undefined
        : patchOf(config, 'routes', [{ op: 'set', path, value: meant }]),
  })
}

export const judgeServiceAudience: Judge = (config, { route }) => {
  const link = 'service_audience'
  // A bearer route has no token of ours, but an audience that the caller's token must be for.
  if (route.auth === 'none') return unknown(link, NO_TOKEN)
  const service = route.target_service
  const requirement = requirementOf(config.settings, service)
  if (requirement !== undefined) {
    const meant = trueAudience(config, requirement)
    return meant === requirement.audience
      ? holds(link, `the audience of ${service} is ${meant}`)
      : astray(config, requirement, meant)
  }
  if (config.routes.services[service] === undefined && config.nearestService(service))
    return unknown(link, EARLIER)
  const told = tellAudience(config, service)
  return broken(config, link, 'service_audience_missing', ['settings', ['service_audiences']], {
    found: `no entry for "${service}" in service_audiences${told?.misnamed === undefined ? '' : ` (there is "${told.misnamed}")`}`,
    expected: 'an entry for every target_service of a session route',
    mend:
      told?.misnamed === undefined
        ? `add "${service}: ${told?.audience ?? '<audience of the service>'}" to service_audiences`
        : `rename "${told.misnamed}" to "${service}" in service_audiences`,
    patch: told && patchOf(config, 'settings', [told.edit]),
  })
}

/** An audience with which the map stands alone. */
function astray(config: BridgeConfig, { service, audience }: TokenRequirement, meant: string) {
  const path = audienceKey(config, service)
  const near = nearMiss(audience, meant)
  const backend: ConfigFile = `backend ${service}`
  const value =
    config.backends[service]?.auth.audience === meant
      ? (config.textOf(backend, ['auth', 'audience']) ?? meant)
      : meant
  return broken(config, 'service_audience', 'audience_differs', ['settings', path], {
    found: `"${audience}"${near === undefined ? '' : `; ${near}`}`,
    expected: `"${meant}", exactly, as the other files have it`,
    mend: `set ${path.join('.')} to "${meant}"`,
    patch: patchOf(config, 'settings', [{ op: 'set', path, value }]),
  })
}
