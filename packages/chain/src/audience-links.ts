import {
  audienceKey,
  audienceText,
  bridgedToken,
  broken,
  EARLIER,
  holds,
  type Judge,
  NO_TOKEN,
  patchOf,
  unknown,
} from './judge.ts'
import { nearMiss } from './near-miss.ts'
import { requirementOf } from './requirement.ts'
import { trueAudience } from './true-audience.ts'

/* From the audience to the client that may ask for it, and to the backend that expects it. */

export const judgeAllowedAudiences: Judge = (config, route) => {
  const link = 'allowed_audiences'
  const token = bridgedToken(config, route)
  if (typeof token === 'string') return unknown(link, token)
  const { requirement, idp } = token
  if (idp.client === undefined) return unknown(link, EARLIER)
  const id = config.settings.auth.client_id
  const { audience } = requirement
  if (idp.allowedAudiences.has(audience)) return holds(link, `${id} may ask for ${audience}`)
  const list = [id, 'allowed_audiences']
  const [near] = idp.nearAllowed(audience)
  const at = near === undefined ? list : [...list, idp.client.allowed_audiences.indexOf(near)]
  return broken(config, link, 'audience_not_allowed', ['idp_clients', at], {
    found:
      near === undefined
        ? `${id}.allowed_audiences without "${audience}"`
        : `"${near}"; ${nearMiss(near, audience)}`,
    expected: `"${audience}", exactly`,
    mend: `add "${audience}" to ${id}.allowed_audiences`,
    patch: patchOf(config, 'idp_clients', [
      { op: 'append', path: list, value: audienceText(config, requirement) },
    ]),
  })
}

const NO_BACKEND = 'the settings of the backend are not readable here (backend_settings)'

export const judgeBackendAudience: Judge = (config, { route }) => {
  const link = 'backend_audience'
  if (route.auth === 'none') return unknown(link, NO_TOKEN)
  const service = route.target_service
  const requirement = requirementOf(config.settings, service)
  const backend = config.backends[service]
  if (backend === undefined) return unknown(link, NO_BACKEND)
  if (requirement === undefined) return unknown(link, EARLIER)
  const { audience } = requirement
  const expects = backend.auth.audience
  if (expects === audience) return holds(link, `${service} expects ${expects}`)
  const near = nearMiss(expects, audience)
  if (trueAudience(config, requirement) !== audience) return unknown(link, EARLIER)
  const path = ['auth', 'audience']
  return broken(config, link, 'backend_audience_differs', [`backend ${service}`, path], {
    found: `a backend that expects "${expects}"${near === undefined ? '' : `; ${near}`}`,
    expected: `"${audience}", as ${audienceKey(config, service).join('.')} says`,
    mend: `set auth.audience of ${service} to "${audience}"`,
    patch: patchOf(config, `backend ${service}`, [
      { op: 'set', path, value: audienceText(config, requirement) },
    ]),
  })
}

export const judgeBackendIssuer: Judge = (config, { route }) => {
  const link = 'backend_issuer'
  if (route.auth === 'none') return unknown(link, NO_TOKEN)
  const service = route.target_service
  const backend = config.backends[service]
  if (backend === undefined) return unknown(link, NO_BACKEND)
  const ours = config.settings.auth.issuer
  if (backend.auth.issuer === ours) return holds(link, `${service} trusts ${ours}`)
  // The issuer that differs from the IdP's is told there; mending it here would be undone.
  const idp = config.idp?.settings.server.issuer
  if (idp !== undefined && idp !== ours && backend.auth.issuer === idp)
    return unknown(link, EARLIER)
  const path = ['auth', 'issuer']
  return broken(config, link, 'backend_issuer_differs', [`backend ${service}`, path], {
    found: `a backend that trusts "${backend.auth.issuer}"`,
    expected: `the issuer "${ours}", exactly`,
    mend: `set auth.issuer of ${service} to "${ours}"`,
    patch: patchOf(config, `backend ${service}`, [
      { op: 'set', path, value: config.textOf('settings', ['auth', 'issuer']) ?? ours },
    ]),
  })
}
