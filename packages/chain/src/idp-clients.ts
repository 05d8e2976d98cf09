import { z } from 'zod'
import { CLIENT_AUTH_METHODS } from './bff-settings.ts'
import { httpUrl, scopeToken, secureUrl } from './schema.ts'

export const idpClientSchema = z.strictObject({
  /** A disabled client does not exist; its secret is not read. */
  enabled: z.boolean().default(true),
  /** The secret, or `file:PATH`. */
  client_secret: z.string().min(1).optional(),
  /** How the client proves itself at the token endpoint. */
  token_endpoint_auth_method: z.enum(CLIENT_AUTH_METHODS).default('client_secret_basic'),
  /** Public keys for `private_key_jwt`; for `self_signed_tls_client_auth` with certificates (`x5c`). */
  jwks: z
    .strictObject({
      /** JWKs (RFC 7517). */
      keys: z.array(z.record(z.string(), z.unknown())),
    })
    .optional(),
  /**
   * Where these keys are published, in place of `jwks`: https, or http on this machine. Kept as long
   * as its answer allows, at least 60 s and at most 10 min; an unknown key is looked for at once.
   */
  jwks_uri: secureUrl.optional(),
  /** For `tls_client_auth`: the certificate's subject as RFC 4514 writes it, `CN=bff,O=Example`. */
  tls_client_auth_subject_dn: z.string().min(1).optional(),
  /** For `tls_client_auth`, in place of the subject: a DNS name in the certificate. */
  tls_client_auth_san_dns: z.string().min(1).optional(),
  /** For `tls_client_auth`, in place of the subject: a URI in the certificate. */
  tls_client_auth_san_uri: z.string().min(1).optional(),
  /** Its tokens are always bound to a key (DPoP): a request for one without a proof is refused. */
  dpop_bound_access_tokens: z.boolean().optional(),
  /** Ours: no consent page. */
  first_party: z.boolean().default(false),
  /** The ways in which it may obtain tokens. */
  grant_types: z.array(
    z.enum([
      'authorization_code',
      'refresh_token',
      'client_credentials',
      'urn:ietf:params:oauth:grant-type:token-exchange',
    ]),
  ),
  /** Where a login may return to; compared exactly. */
  redirect_uris: z.array(httpUrl).default([]),
  /** Where a logout may return to; compared exactly. */
  post_logout_redirect_uris: z.array(httpUrl).default([]),
  /**
   * Where the IdP tells the client's server that a session has ended (OpenID Connect Back-Channel
   * Logout). Used when it is https, or http on this machine.
   */
  backchannel_logout_uri: httpUrl.optional(),
  /** The message names the session (`sid`); without it the client ends every session of the user. */
  backchannel_logout_session_required: z.boolean().default(true),
  /**
   * What a signed-out browser loads in a hidden frame (OpenID Connect Front-Channel Logout). Used when
   * it is https, or http on this machine.
   */
  frontchannel_logout_uri: httpUrl.optional(),
  /** The address is called with `iss` and `sid`. */
  frontchannel_logout_session_required: z.boolean().default(true),
  /** What the client may ask for. */
  scopes: z.array(scopeToken),
  /** The audiences that its tokens may carry. */
  allowed_audiences: z.array(z.string().min(1)).default([]),
})

/** `ServiceConfigs/IdP/config/clients.yaml`: one entry a client, by `client_id`. */
export const idpClientsSchema = z.record(z.string().min(1), idpClientSchema)

export type IdpClient = z.output<typeof idpClientSchema>
export type IdpClients = z.output<typeof idpClientsSchema>
