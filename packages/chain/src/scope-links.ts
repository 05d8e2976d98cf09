import type { BridgeConfig } from './bridge-config.ts'
import { type IdpIndex, reachFor } from './bridge-index.ts'
import type { KeyPath } from './document.ts'
import {
  audienceText,
  bridgedToken,
  broken,
  EARLIER,
  holds,
  type Judge,
  listOf,
  patchOf,
  quote,
  unknown,
} from './judge.ts'
import type { BrokenLink } from './link.ts'
import { nearMiss } from './near-miss.ts'
import { nearest } from './nearest.ts'
import type { Edit } from './patch.ts'
import type { TokenRequirement } from './requirement.ts'
import { impliesPath, lackingScope, mapScopes, widest } from './scope-choice.ts'

/* From the scopes of a login to the audience, and to the scopes that a service's token carries. */

const MAPPINGS: KeyPath = ['token', 'audience_mappings', 'scope_mappings']

export const judgeScopeMapping: Judge = (config, route) => {
  const link = 'scope_mapping'
  const token = bridgedToken(config, route)
  if (typeof token === 'string') return unknown(link, token)
  const { requirement, idp } = token
  const { audience } = requirement
  const scopes = idp.byMapping.scopesOf(audience)
  if (scopes.length > 0) return holds(link, `${listOf(scopes)} lead to ${audience}`)
  const [near] = idp.nearMapped(audience)
  if (near !== undefined) return misspelt(config, idp, requirement, near)

  const edits = mapScopes(
    idp,
    baseScopes(config, idp, requirement),
    requirement.scopes,
    audience,
    audienceText(config, requirement),
  )
  const scope = requirement.scopes[0] ?? widest(idp, baseScopes(config, idp, requirement))
  return broken(config, link, 'audience_unmapped', ['idp_settings', MAPPINGS], {
    found: `no scope that leads to "${audience}"`,
    expected: `"${audience}", exactly`,
    mend: `add "${audience}" to the audiences of ${scope ?? 'a scope that the login asks for'}`,
    patch: edits.length === 0 ? undefined : patchOf(config, 'idp_settings', edits),
  })
}

/** A mapped audience that is almost the service's, which the other files have as the map does. */
function misspelt(
  config: BridgeConfig,
  { mappings }: IdpIndex,
  requirement: TokenRequirement,
  near: string,
): BrokenLink {
  const { audience } = requirement
  const places = mappings.flatMap((mapping, i) =>
    mapping.audiences.flatMap((one, j) =>
      one === near ? [[...MAPPINGS, i, 'audiences', j] as const] : [],
    ),
  )
  const value = audienceText(config, requirement)
  return broken(
    config,
    'scope_mapping',
    'audience_unmapped',
    ['idp_settings', places[0] ?? MAPPINGS],
    {
      found: `"${near}"; ${nearMiss(near, audience)}`,
      expected: `"${audience}", exactly`,
      mend: `write "${audience}" in scope_mappings`,
      patch: patchOf(
        config,
        'idp_settings',
        places.map((path): Edit => ({ op: 'set', path, value })),
      ),
    },
  )
}

export const judgeLoginScope: Judge = (config, route) => {
  const link = 'login_scope'
  const token = bridgedToken(config, route)
  if (typeof token === 'string') return unknown(link, token)
  const { requirement, idp } = token
  const { audience, mint, scopes: wanted } = requirement
  const scopes = idp.byMapping.scopesOf(audience)
  if (scopes.length === 0) return unknown(link, EARLIER)
  const reached = reachFor(idp, mint).scopes
  const leading = scopes.filter((scope) => reached.has(scope))
  const machine = mint === 'client_credentials'
  if (leading.length > 0)
    return holds(link, `the ${machine ? "client's" : "login's"} scopes reach ${listOf(leading)}`)

  const scope = lackingScope(idp, wanted, audience) ?? scopes[0] ?? ''
  const expected = `one of ${listOf(scopes)}, or a scope that implies it`
  if (machine) {
    // The client lacks what the login asks for: told there, and mended with it.
    const toldBefore = scopes.some((one) => idp.login.scopes.has(one))
    if (idp.client === undefined || toldBefore) return unknown(link, EARLIER)
    const path = [config.settings.auth.client_id, 'scopes']
    return broken(config, link, 'login_scope_missing', ['idp_clients', path], {
      found: `${path.join('.')} "${idp.client.scopes.join(' ')}", none of which leads to "${audience}"`,
      expected,
      mend: `add ${scope} to ${path.join('.')}`,
      patch: patchOf(config, 'idp_clients', [{ op: 'append', path, value: scope }]),
    })
  }
  const path = ['auth', 'oauth_scopes']
  const { oauth_scopes: asked } = config.settings.auth
  return broken(config, link, 'login_scope_missing', ['settings', path], {
    found: `auth.oauth_scopes "${asked}", none of which leads to "${audience}"`,
    expected,
    mend: `add ${scope} to auth.oauth_scopes`,
    patch: patchOf(config, 'settings', [
      { op: 'set', path, value: `${config.textOf('settings', path) ?? asked} ${scope}` },
    ]),
  })
}

export const judgeServiceScopes: Judge = (config, route) => {
  const link = 'service_scopes'
  const token = bridgedToken(config, route)
  if (typeof token === 'string') return unknown(link, token)
  const { requirement, idp } = token
  const { audience, scopes: wanted, requires, service, mint } = requirement
  const reached = reachFor(idp, mint)
  if (!idp.byMapping.scopesOf(audience).some((scope) => reached.scopes.has(scope)))
    return unknown(link, EARLIER)
  const leads = (scope: string) => reached.audiencesByScope.get(scope)?.has(audience) === true
  const good = wanted.filter(leads)
  if (good.length === wanted.length || (requires === 'any' && good.length > 0))
    return holds(link, `"${wanted.join(' ')}" leads to ${audience}`)

  const astray = wanted.filter((scope) => !leads(scope))
  const found = `${quote(astray)}, which ${astray.length > 1 ? 'do' : 'does'} not lead to "${audience}" for this login`
  // Mapped to it, but beyond what the login holds: the service needs it, so the login must reach it.
  const unreached = astray.filter((scope) => idp.byMapping.audiencesOf(scope).has(audience))
  const wide = widest(idp, baseScopes(config, idp, requirement))
  if (unreached.length === astray.length && wide !== undefined) {
    const path = impliesPath(idp.mappings, wide)
    return broken(config, link, 'service_scope_astray', ['idp_settings', path], {
      found,
      expected: `${wide} with ${quote(astray)} among what it implies`,
      mend: `add ${astray.join(', ')} to the implies of ${wide}`,
      patch: patchOf(
        config,
        'idp_settings',
        astray.map((value): Edit => ({ op: 'append', path, value })),
      ),
    })
  }
  const usable = [...reached.scopes].filter(leads)
  const meant = good.length > 0 ? good : [bestOf(astray[0] ?? '', usable, idp)]
  const key = config.settings.service_scopes[service] ? 'service_scopes' : 'service_tokens'
  return broken(config, link, 'service_scope_astray', ['settings', [key, service]], {
    found,
    expected: `of ${listOf(usable)}`,
    mend: `set ${key}.${service} to ${meant.join(' ')}`,
    patch: patchOf(config, 'settings', [scopesEdit(config, service, meant)]),
  })
}

/** What was meant by a scope that leads nowhere: one of nearly that name, or else the narrowest. */
function bestOf(scope: string, usable: readonly string[], { byMapping }: IdpIndex): string {
  const narrow = [...usable].sort(
    (a, b) => byMapping.audiencesOf(a).size - byMapping.audiencesOf(b).size || (a < b ? -1 : 1),
  )
  return nearest(scope, usable) ?? narrow[0] ?? scope
}

/** Writes a service's scopes in the notation that they have. */
function scopesEdit({ settings, textOf }: BridgeConfig, service: string, scopes: string[]): Edit {
  if (settings.service_scopes[service] === undefined) {
    return { op: 'set', path: ['service_tokens', service, 'scopes'], value: scopes }
  }
  const own = ['service_scopes', service]
  const nested =
    textOf('settings', own) === undefined && textOf('settings', [...own, 0]) === undefined
  const path = nested ? [...own, 'scopes'] : own
  const isText = textOf('settings', path) !== undefined
  return { op: 'set', path, value: isText ? scopes.join(' ') : scopes }
}

/** From which scopes a service's token is reached: the login's, or the client's own. */
function baseScopes({ settings }: BridgeConfig, { client }: IdpIndex, { mint }: TokenRequirement) {
  return mint === 'client_credentials'
    ? (client?.scopes ?? [])
    : settings.auth.oauth_scopes.split(' ')
}
