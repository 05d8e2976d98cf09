import { z } from 'zod'
import { addressBlocks, httpUrl, listenSchema, scopeToken } from './schema.ts'

/** `token.audience_mappings.scope_mappings[]`: which audiences a granted scope leads to. */
export const scopeMappingSchema = z.strictObject({
  /** The scope that leads there. */
  scope: scopeToken,
  /** Compared exactly, never normalised: `empowernow` is one, and a trailing slash makes another. */
  audiences: z.array(z.string().min(1)).default([]),
  /** Narrower scopes that a holder of this scope may ask for instead of it. */
  implies: z.array(scopeToken).default([]),
})

/** `ServiceConfigs/IdP/config/settings.yaml`. */
export const idpSettingsSchema = z.strictObject({
  server: z
    .strictObject({
      ...listenSchema,
      /** The `iss` of every token, with its path. */
      issuer: httpUrl,
      /** Peers (addresses or CIDR blocks) whose `X-Forwarded-For` is believed. */
      trusted_proxies: addressBlocks.default([]),
      /** Listens by https; absent: by http, behind whatever ends TLS. */
      tls: z
        .strictObject({
          /** The certificate and those above it (PEM). A changed file is taken over while running. */
          cert_file: z.string().min(1),
          /** Its private key (PEM). */
          key_file: z.string().min(1),
          /**
           * Asks who connects for a certificate, for `tls_client_auth` and
           * `self_signed_tls_client_auth`. A browser that has one then asks its user.
           */
          client_certificates: z.boolean().default(false),
          /** Who issues the certificates of clients with `tls_client_auth` (PEM). */
          client_ca_file: z.string().min(1).optional(),
        })
        .optional(),
    })
    .refine(({ tls, issuer }) => tls === undefined || issuer.startsWith('https:'), {
      path: ['issuer'],
      message: 'an https URL, as server.tls listens by https',
    }),
  token: z.strictObject({
    /** Life of every access token in seconds. */
    access_token_seconds: z.int().min(5).max(3600).default(600),
    /** Life of a refresh token in seconds; each rotation starts anew. */
    refresh_token_seconds: z.int().min(60).default(86_400),
    /**
     * For how many seconds a refresh token that was just used is taken once more, from the same
     * client, which lost the answer; 0 for never. Any other reuse ends the login.
     */
    refresh_reuse_seconds: z.int().min(0).max(60).default(10),
    /** How long a login lasts at most, in seconds, however often its tokens are refreshed. */
    login_seconds: z.int().min(60).default(604_800),
    /**
     * A signing key is followed by a new one when it is this old, in days; 0: never. The new key is
     * published an hour before it signs, and the old one for as long as anything that it signed counts.
     */
    signing_key_days: z.int().min(0).max(3650).default(90),
    dpop: z
      .strictObject({
        /**
         * Takes a proof of possession (RFC 9449) only with a nonce of ours, which is minutes old: a
         * proof that was made in advance is worth nothing. Costs each client one more request a while.
         */
        require_nonce: z.boolean().default(false),
      })
      .prefault({}),
    /** The audience of a token for which nobody named a resource. */
    default_audience: z.string().min(1).default('empowernow'),
    audience_mappings: z.strictObject({
      /** A token may carry an audience only when a granted scope, or one it implies, leads there. */
      scope_mappings: z.array(scopeMappingSchema),
    }),
  }),
  /** Absent: `/metrics` answers this machine alone. */
  admin: z
    .strictObject({
      /** The token that opens `/metrics`, or `file:PATH`. */
      token: z.string().min(1),
    })
    .optional(),
  accounts: z.strictObject({
    /** The users' file: names, roles and password hashes. */
    users: z.string().min(1),
  }),
  store: z.strictObject({
    /** Grants and sessions. */
    path: z.string().min(1),
    /** Signing keys and cookie keys, made at the first start. */
    keys: z.string().min(1),
  }),
})

export type ScopeMapping = z.output<typeof scopeMappingSchema>
export type IdpSettings = z.output<typeof idpSettingsSchema>
