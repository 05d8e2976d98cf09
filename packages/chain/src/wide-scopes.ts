import type { BridgeConfig } from './bridge-config.ts'
import type { Place } from './fault.ts'

/** A scope in use that is mapped to more than one audience: a token of it opens more than it needs. */
export interface WideScope {
  scope: string
  audiences: readonly string[]
  /** Where it is asked for. */
  at: Place
}

/** Of the scopes that the login or a service asks for, those with several audiences. */
export function wideScopes(config: BridgeConfig): WideScope[] {
  const { settings, idpIndex } = config
  if (idpIndex === undefined) return []
  const asked = new Map<string, readonly string[]>()
  for (const [service, { scopes }] of Object.entries(settings.service_scopes)) {
    for (const scope of scopes) asked.set(scope, ['service_scopes', service])
  }
  for (const scope of settings.auth.oauth_scopes.split(' ')) {
    asked.set(scope, ['auth', 'oauth_scopes'])
  }
  return [...asked].flatMap(([scope, path]) => {
    const audiences = [...idpIndex.byMapping.audiencesOf(scope)]
    return audiences.length < 2 ? [] : [{ scope, audiences, at: config.placeOf('settings', path) }]
  })
}

/** `scope application.all leads to 5 audiences: …`. */
export const wideScopeText = ({ scope, audiences }: WideScope) =>
  `scope ${scope} leads to ${audiences.length} audiences: ${audiences.join(', ')}`
