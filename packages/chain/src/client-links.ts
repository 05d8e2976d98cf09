import type { ClientAuthMethod } from './bff-settings.ts'
import type { BridgeConfig } from './bridge-config.ts'
import { type FrontendSettings, frontendsOf } from './frontends.ts'
import {
  bridgedToken,
  broken,
  EARLIER,
  holds,
  type Judge,
  listOf,
  NO_IDP_FILES,
  NO_TOKEN,
  patchOf,
  quote,
  unknown,
} from './judge.ts'
import { nearest } from './nearest.ts'
import type { Edit } from './patch.ts'
import type { TokenRequirement } from './requirement.ts'

/* From the BFF to its client at the IdP: what every login, whatever the service, leans on. */

export const judgeIdpIssuer: Judge = (config) => {
  const link = 'idp_issuer'
  if (config.idp === undefined) return unknown(link, NO_IDP_FILES)
  const ours = config.settings.auth.issuer
  const theirs = config.idp.settings.server.issuer
  if (ours === theirs) return holds(link, `BFF and IdP name the issuer ${ours}`)
  const backends = Object.values(config.backends)
  const idpIsAstray = backends.length > 0 && backends.every(({ auth }) => auth.issuer === ours)
  return broken(config, link, 'issuer_differs', ['settings', ['auth', 'issuer']], {
    found: `auth.issuer "${ours}"`,
    expected: `the IdP's server.issuer "${theirs}", exactly`,
    mend: idpIsAstray
      ? `set server.issuer of the IdP to "${ours}", which the backends trust`
      : `set auth.issuer to "${theirs}"`,
    patch: idpIsAstray
      ? patchOf(config, 'idp_settings', [
          {
            op: 'set',
            path: ['server', 'issuer'],
            value: config.textOf('settings', ['auth', 'issuer']) ?? ours,
          },
        ])
      : patchOf(config, 'settings', [
          {
            op: 'set',
            path: ['auth', 'issuer'],
            value: config.textOf('idp_settings', ['server', 'issuer']) ?? theirs,
          },
        ]),
  })
}

export const judgeClient: Judge = (config) => {
  const link = 'client'
  if (config.idp === undefined) return unknown(link, NO_IDP_FILES)
  const id = config.settings.auth.client_id
  const client = config.idp.clients[id]
  if (client?.enabled) return judgeClientAuth(config, link, client.token_endpoint_auth_method)
  if (client !== undefined) {
    const path = [id, 'enabled']
    return broken(config, link, 'client_disabled', ['idp_clients', path], {
      found: `client "${id}", which is disabled at the IdP`,
      expected: 'an enabled client',
      mend: `delete ${id}.enabled`,
      patch: patchOf(config, 'idp_clients', [{ op: 'remove', path }]),
    })
  }
  const known = Object.keys(config.idp.clients)
  const meant = nearest(id, known)
  const path = ['auth', 'client_id']
  return broken(config, link, 'client_unknown', ['settings', path], {
    found: `client "${id}", which the IdP does not know`,
    expected: `one of ${listOf(known)}`,
    mend:
      meant === undefined
        ? `add "${id}" to the IdP's clients.yaml`
        : `did you mean "${meant}"? Otherwise add "${id}" to the IdP's clients.yaml`,
    patch:
      meant === undefined
        ? undefined
        : patchOf(config, 'settings', [{ op: 'set', path, value: meant }]),
  })
}

function judgeClientAuth(config: BridgeConfig, link: 'client', theirs: ClientAuthMethod) {
  const { client_id: id, token_endpoint_auth_method: ours } = config.settings.auth
  if (ours === theirs) return holds(link, `the IdP knows the client ${id}`)
  const path = ['auth', 'token_endpoint_auth_method']
  return broken(config, link, 'client_auth_differs', ['settings', path], {
    found: `auth.token_endpoint_auth_method ${ours}, and the IdP expects ${theirs} of ${id}`,
    expected: 'the same in both files',
    mend: `set token_endpoint_auth_method of "${id}" in the IdP's clients.yaml to ${ours}, or ours to ${theirs}, with what it needs`,
    patch: undefined,
  })
}

export const judgeRedirectUri: Judge = (config, { route }) => {
  const link = 'redirect_uri'
  const { idpIndex: idp } = config
  if (route.auth !== 'session') return unknown(link, NO_TOKEN)
  if (idp?.client === undefined) return unknown(link, idp === undefined ? NO_IDP_FILES : EARLIER)
  const frontends = ofOurIdp(config)
  const missing = frontends.filter((frontend) => !idp.redirectUris.has(callbackOf(frontend)))
  const [first] = missing
  if (first === undefined) {
    const uris = frontends.map(callbackOf)
    return holds(link, `the IdP sends browsers back to ${listOf(uris)}`)
  }
  const path = [config.settings.auth.client_id, 'redirect_uris']
  const uris = missing.map(callbackOf)
  const near = nearest(callbackOf(first), idp.redirectUris)
  return broken(config, link, 'redirect_uri_missing', ['idp_clients', path], {
    found: `${path.join('.')} without ${quote(uris)}${near === undefined ? '' : ` (there is "${near}")`}`,
    expected: `${listOf(missing.map(({ at }) => at.publicUrl.join('.')))} with /auth/callback, exactly`,
    mend: `add ${quote(uris)} to ${path.join('.')}`,
    patch: patchOf(
      config,
      'idp_clients',
      missing.map((frontend) => ({ op: 'append', path, value: callbackText(config, frontend) })),
    ),
  })
}

/** The frontends whose users sign in at the IdP of `auth`: of the others no files are read here. */
const ofOurIdp = ({ settings }: BridgeConfig) =>
  frontendsOf(settings).filter(({ idp }) => idp === undefined)

const callbackOf = ({ publicUrl }: FrontendSettings) => new URL('/auth/callback', publicUrl).href

/** The callback's address with the template that the BFF's file has for its own. */
function callbackText(config: BridgeConfig, frontend: FrontendSettings): string {
  const uri = callbackOf(frontend)
  const { server, frontends } = config.settings
  const value = frontends[frontend.name]?.public_url ?? server.public_url
  const text = config.textOf('settings', frontend.at.publicUrl)
  return text !== undefined && `${value}/auth/callback` === uri ? `${text}/auth/callback` : uri
}

export const judgeClientScopes: Judge = (config) => {
  const link = 'client_scopes'
  const { idpIndex: idp } = config
  const id = config.settings.auth.client_id
  if (idp?.client === undefined) return unknown(link, idp === undefined ? NO_IDP_FILES : EARLIER)
  const asked = new Set(ofOurIdp(config).flatMap(({ oauthScopes }) => oauthScopes.split(' ')))
  const missing = [...asked].filter((scope) => !idp.clientScopes.has(scope))
  if (missing.length === 0) return holds(link, `${id} may ask for every scope of the login`)
  const path = [id, 'scopes']
  return broken(config, link, 'client_scope_missing', ['idp_clients', path], {
    found: `${id}.scopes without ${quote(missing)}`,
    expected: `every scope of auth.oauth_scopes (${[...asked].join(' ')})`,
    mend: `add ${missing.join(', ')} to ${id}.scopes`,
    patch: patchOf(
      config,
      'idp_clients',
      missing.map((value): Edit => ({ op: 'append', path, value })),
    ),
  })
}

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'

export const judgeClientGrants: Judge = (config, route) => {
  const link = 'client_grants'
  const token = bridgedToken(config, route)
  if (typeof token === 'string') return unknown(link, token)
  const { requirement, idp } = token
  if (idp.client === undefined) return unknown(link, EARLIER)
  const id = config.settings.auth.client_id
  const { mint, service } = requirement
  if (config.settings.auth.dpop && mint === 'token_exchange' && !requirement.dpop) {
    return broken(config, link, 'mint_unfit', ['settings', ['auth', 'dpop']], {
      found: `auth.dpop, and a token for ${service} that is bound to no key`,
      expected: 'a token that is bound as the login token is, for which alone the IdP exchanges it',
      mend: `set service_dpop.${service}: true, which the backend must take; or delete auth.dpop`,
      patch: undefined,
    })
  }
  const unfit = whyUnfit(requirement, config.idp?.settings.token.default_audience)
  if (unfit !== undefined) {
    const path = ['service_mint', service]
    return broken(config, link, 'mint_unfit', ['settings', path], {
      ...unfit,
      mend: `delete service_mint.${service}: its token is then exchanged (token_exchange)`,
      patch: patchOf(config, 'settings', [{ op: 'remove', path }]),
    })
  }
  const offline = config.settings.auth.oauth_scopes.split(' ').includes('offline_access')
  const needed = [
    'authorization_code',
    ...(offline || mint === 'refresh_resource' ? ['refresh_token'] : []),
    ...(mint === 'token_exchange' ? [EXCHANGE] : []),
    ...(mint === 'client_credentials' ? ['client_credentials'] : []),
  ]
  const missing = needed.filter((grant) => !idp.clientGrants.has(grant))
  if (missing.length === 0) return holds(link, `${id} may use ${mint} for ${service}`)
  const path = [id, 'grant_types']
  return broken(config, link, 'client_grant_missing', ['idp_clients', path], {
    found: `${id}.grant_types without ${quote(missing)}`,
    expected: `what the login and the way to ${service}'s token (${mint}) need`,
    mend: `add ${missing.join(', ')} to ${id}.grant_types`,
    patch: patchOf(
      config,
      'idp_clients',
      missing.map((value): Edit => ({ op: 'append', path, value })),
    ),
  })
}

/** Why no token for the service can come about in this way. */
function whyUnfit({ mint, service, audience }: TokenRequirement, ofLogin: string | undefined) {
  if (mint === 'login_token' && audience !== ofLogin) {
    return {
      found: `service_mint.${service} login_token, and the login's own token is for "${ofLogin}"`,
      expected: `a way to a token for "${audience}"`,
    }
  }
  if (mint === 'refresh_resource' && !isResource(audience)) {
    return {
      found: `service_mint.${service} refresh_resource, and "${audience}" is no URI`,
      expected: 'an absolute URI without a fragment, which a resource must be (RFC 8707 §2)',
    }
  }
  return undefined
}

const isResource = (audience: string) => URL.canParse(audience) && !audience.includes('#')
