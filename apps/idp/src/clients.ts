import { reachableScopes } from '@audience-bridge/chain/audience-policy.ts'
import type { IdpClient, IdpClients } from '@audience-bridge/chain/idp-clients.ts'
import type { IdpSettings, ScopeMapping } from '@audience-bridge/chain/idp-settings.ts'
import { isSecureUrl } from '@audience-bridge/chain/local-hosts.ts'
import { readSecret } from '@audience-bridge/kit/secret.ts'
import type { JWK } from 'jose'

/** A client as the policy sees it. */
export interface ClientPolicy {
  clientId: string
  firstParty: boolean
  scopes: readonly string[]
  allowedAudiences: readonly string[]
  /** What a browser loads at a sign-out. */
  frontChannel: { uri: string; withSession: boolean } | undefined
}

/** A client as the OpenID provider registers it (RFC 7591 §2). */
export interface ClientRegistration {
  client_id: string
  client_secret?: string
  jwks?: { keys: JWK[] }
  jwks_uri?: string
  tls_client_auth_subject_dn?: string
  tls_client_auth_san_dns?: string
  tls_client_auth_san_uri?: string
  token_endpoint_auth_method: IdpClient['token_endpoint_auth_method']
  grant_types: string[]
  response_types: 'code'[]
  dpop_bound_access_tokens?: boolean
  redirect_uris: string[]
  post_logout_redirect_uris: string[]
  backchannel_logout_uri?: string
  backchannel_logout_session_required?: boolean
  scope: string
}

export interface RegisteredClient {
  policy: ClientPolicy
  registration: ClientRegistration
}

/** The enabled clients, with their secrets read; a fault, one line, for each entry that cannot work. */
export function registerClients(
  clients: IdpClients,
  mappings: readonly ScopeMapping[],
  tls?: IdpSettings['server']['tls'],
): { registered: Map<string, RegisteredClient>; faults: string[] } {
  const registered = new Map<string, RegisteredClient>()
  const faults: string[] = []
  for (const [clientId, client] of Object.entries(clients)) {
    if (!client.enabled) continue
    try {
      registered.set(clientId, register(clientId, client, mappings, tls))
    } catch (cause) {
      faults.push(cause instanceof Error ? cause.message : `client "${clientId}" cannot be read`)
    }
  }
  return { registered, faults }
}

/** @throws Error naming the client whose entry cannot work. */
function register(
  clientId: string,
  client: IdpClient,
  mappings: readonly ScopeMapping[],
  tls: IdpSettings['server']['tls'],
): RegisteredClient {
  const signsIn = client.grant_types.includes('authorization_code')
  return {
    policy: {
      clientId,
      firstParty: client.first_party,
      scopes: client.scopes,
      allowedAudiences: client.allowed_audiences,
      frontChannel: frontChannelOf(client),
    },
    registration: {
      client_id: clientId,
      ...credentials(clientId, client, tls),
      token_endpoint_auth_method: client.token_endpoint_auth_method,
      ...(client.dpop_bound_access_tokens ? { dpop_bound_access_tokens: true } : {}),
      grant_types: [...client.grant_types],
      response_types: signsIn ? ['code'] : [],
      redirect_uris: signsIn ? [...client.redirect_uris] : [],
      post_logout_redirect_uris: [...client.post_logout_redirect_uris],
      ...backChannelOf(client),
      // Whoever may ask for a scope may ask for the narrower ones that it implies.
      // The library takes a client without scopes for one that may have them all: never leave it empty.
      scope: [...reachableScopes(mappings, client.scopes)].join(' ') || 'openid',
    },
  }
}

function frontChannelOf(client: IdpClient): ClientPolicy['frontChannel'] {
  const { frontchannel_logout_uri: uri, frontchannel_logout_session_required: withSession } = client
  return uri === undefined || !isSecureUrl(uri) ? undefined : { uri, withSession }
}

function backChannelOf(client: IdpClient) {
  const { backchannel_logout_uri: uri, backchannel_logout_session_required: withSession } = client
  if (uri === undefined || !isSecureUrl(uri)) return {}
  return { backchannel_logout_uri: uri, backchannel_logout_session_required: withSession }
}

type Credentials = Pick<
  ClientRegistration,
  | 'client_secret'
  | 'jwks'
  | 'jwks_uri'
  | 'tls_client_auth_subject_dn'
  | 'tls_client_auth_san_dns'
  | 'tls_client_auth_san_uri'
>

function credentials(
  clientId: string,
  client: IdpClient,
  tls: IdpSettings['server']['tls'],
): Credentials {
  const method = client.token_endpoint_auth_method
  if (method === 'client_secret_basic' || method === 'client_secret_post') {
    return { client_secret: secretOf(clientId, client.client_secret) }
  }
  if (method !== 'private_key_jwt' && tls?.client_certificates !== true) {
    throw new Error(`client "${clientId}" uses ${method}: set server.tls.client_certificates`)
  }
  if (method === 'tls_client_auth') {
    if (tls?.client_ca_file === undefined) {
      throw new Error(`client "${clientId}" uses ${method}: set server.tls.client_ca_file`)
    }
    return subjectOf(clientId, client)
  }
  if (client.jwks !== undefined && client.jwks_uri === undefined) {
    return { jwks: client.jwks as { keys: JWK[] } }
  }
  if (client.jwks_uri !== undefined && client.jwks === undefined) {
    return { jwks_uri: client.jwks_uri }
  }
  throw new Error(`client "${clientId}" uses ${method}: give it jwks or jwks_uri`)
}

/** What the certificate of a client must say: one thing, so that nobody wonders which of two counts. */
function subjectOf(clientId: string, client: IdpClient): Credentials {
  const names = [
    'tls_client_auth_subject_dn',
    'tls_client_auth_san_dns',
    'tls_client_auth_san_uri',
  ] as const
  const [name, ...others] = names.filter((key) => client[key] !== undefined)
  if (name === undefined || others.length > 0) {
    throw new Error(`client "${clientId}" uses tls_client_auth: give it one of ${names.join(', ')}`)
  }
  return { [name]: client[name] }
}

function secretOf(clientId: string, secret: string | undefined): string {
  if (secret === undefined) {
    throw new Error(`client "${clientId}" has no client_secret: give it one, or set enabled: false`)
  }
  try {
    return readSecret(secret)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'the secret cannot be read'
    throw new Error(`client "${clientId}": ${reason}`, { cause })
  }
}
