import type { ClaimsMapping } from '@audience-bridge/chain/bff-idps.ts'
import type { ClientAuthMethod } from '@audience-bridge/chain/bff-settings.ts'
import type { BridgeConfig } from '@audience-bridge/chain/bridge-config.ts'
import type { ClientCredentials } from './tokens/idp-auth.ts'
import type { IdpSettings } from './tokens/idp-link.ts'

/** An issuer whose access tokens callers of `auth: bearer` routes may present. */
export interface BearerSource {
  issuer: string
  /** Exactly this one; undefined: of any service. */
  audience: string | undefined
  jwksUrl: string | undefined
  /** Undefined: the claim `roles` as it is. */
  claims: ClaimsMapping | undefined
  /** In the names of its users; undefined: their `sub` alone. */
  provider: string | undefined
}

function proofOf(
  readSecret: (value: string) => string,
  method: ClientAuthMethod,
  secret: string | undefined,
): ClientCredentials {
  return method === 'client_secret_basic' || method === 'client_secret_post'
    ? { authMethod: method, clientSecret: readSecret(secret ?? '') }
    : { authMethod: method, clientSecret: undefined }
}

/** The IdP of `auth`, and those of idps.yaml where users sign in. */
export function readIdps(
  { settings: { auth }, idps }: BridgeConfig,
  readSecret: (value: string) => string,
): { idp: IdpSettings; further: IdpSettings[] } {
  const common = {
    timeoutSeconds: auth.idp_timeout_seconds,
    clockToleranceSeconds: auth.clock_tolerance_seconds,
  }
  const pem = (path: string) => readSecret(`file:${path}`)
  const { mtls } = auth
  const idp: IdpSettings = {
    ...common,
    issuer: auth.issuer,
    clientId: auth.client_id,
    ...proofOf(readSecret, auth.token_endpoint_auth_method, auth.client_secret),
    tls: mtls && {
      cert: pem(mtls.cert_file),
      key: pem(mtls.key_file),
      ca: mtls.ca_file && pem(mtls.ca_file),
    },
    dpop: auth.dpop,
    claims: idps.find(({ issuer }) => issuer === auth.issuer)?.claims_mapping,
    provider: undefined,
  }
  const further = idps.flatMap((entry): IdpSettings[] => {
    const { client_id: clientId } = entry
    if (clientId === undefined) return []
    return [
      {
        ...common,
        issuer: entry.issuer,
        clientId,
        ...proofOf(readSecret, entry.token_endpoint_auth_method, entry.client_secret),
        tls: undefined,
        dpop: false,
        claims: entry.claims_mapping,
        provider: entry.provider ?? entry.name,
      },
    ]
  })
  return { idp, further }
}

/**
 * An issuer that idps.yaml has is admitted for exactly the audiences of its entries. The IdP of
 * `auth` is admitted for every service as long as idps.yaml says nothing of it.
 */
export function readBearerSources({ settings, idps }: BridgeConfig): BearerSource[] {
  const own = settings.auth.issuer
  const entries = idps.flatMap((entry): BearerSource[] =>
    entry.audience === undefined
      ? []
      : [
          {
            issuer: entry.issuer,
            audience: entry.audience,
            jwksUrl: entry.jwks_url,
            claims: entry.claims_mapping,
            provider: entry.issuer === own ? undefined : (entry.provider ?? entry.name),
          },
        ],
  )
  if (idps.some(({ issuer }) => issuer === own)) return entries
  const every = { issuer: own, audience: undefined, jwksUrl: undefined }
  return [{ ...every, claims: undefined, provider: undefined }, ...entries]
}
