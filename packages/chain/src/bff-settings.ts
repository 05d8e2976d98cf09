import { z } from 'zod'
import { bindingSchema } from './bff-binding.ts'
import { bffEdgeSchema } from './bff-edge.ts'
import { bffFrontendsSchema, cookieKeys } from './bff-frontends.ts'
import { rateSchema } from './bff-rates.ts'
import { bffStoreSchema } from './bff-store.ts'
import { telemetrySchema } from './bff-telemetry.ts'
import { addressBlocks, httpUrl, listenSchema, notYet, scopeText, scopeToken } from './schema.ts'

/** How the BFF obtains a token for a service (`service_mint`). */
export const MINT_METHODS = [
  'token_exchange',
  'refresh_resource',
  'login_token',
  'client_credentials',
] as const
export type MintMethod = (typeof MINT_METHODS)[number]

/** How the BFF proves itself at the IdP (`token_endpoint_auth_method`). */
export const CLIENT_AUTH_METHODS = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
] as const
export type ClientAuthMethod = (typeof CLIENT_AUTH_METHODS)[number]

const scopeList = z.union([scopeText.transform((text) => text.split(' ')), z.array(scopeToken)])

/** Scopes of a service's token: a text, a list, or a list with what is required of it. */
export const serviceScopesSchema = z.union([
  scopeList.transform((scopes) => ({ scopes, requires: 'all' as const })),
  z.strictObject({
    /** What the token is asked for. */
    scopes: scopeList,
    /** `all`: the token must carry each. `any`: one is enough. */
    requires: z.enum(['all', 'any']).default('all'),
  }),
])

/** V1, deprecated: `service_tokens`. Its list means any of them (the brief joins it with `|`). */
const serviceTokensSchema = z.record(
  z.string(),
  z.strictObject({
    /** As in `service_audiences`, and equal to it where both are given. */
    audience: z.string().min(1),
    /** Any of these is enough. */
    scopes: z.array(scopeToken).default([]),
  }),
)

/** `ServiceConfigs/BFF/config/settings.yaml`. */
export const bffSettingsSchema = z.strictObject({
  server: z.strictObject({
    ...listenSchema,
    /** Listens by https, for HTTP/2 and HTTP/1.1; absent: by http, behind whatever ends TLS. */
    tls: z
      .strictObject({
        /** The certificate and those above it (PEM). A changed file is taken over while running. */
        cert_file: z.string().min(1),
        /** Its private key (PEM, without a passphrase). */
        key_file: z.string().min(1),
      })
      .optional(),
    /** The origin that browsers use. */
    public_url: httpUrl,
    /** How long requests under way may take when the process stops, in seconds. */
    drain_seconds: z.number().min(0).max(600).default(30),
    /** Peers (addresses or CIDR blocks) whose `X-Forwarded-*` are believed. */
    trusted_proxies: addressBlocks.default([]),
    /** What the gateway calls itself in `Via`; a request that comes back with it is refused. `false`: no `Via` at all. */
    via: z
      .union([
        z.literal(false),
        z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'a name without spaces'),
      ])
      .default('audience-bridge'),
    /** Backends are told the facts of `X-Forwarded-*` in `Forwarded` (RFC 7239), too. */
    forwarded: z.boolean().default(false),
    /** A client that reads nothing of its answer for so long, or sends next to nothing of its body, is cut off. */
    stall_seconds: z.number().min(0.1).max(3600).default(60),
    /** Plain requests pass without Node's HTTP server; off for diagnosis only: it costs half the speed. */
    fast_path: z.boolean().default(true),
    /** Processes that share the work and the port, each a whole BFF. As many as cores that are free for them. */
    workers: z.int().min(1).max(64).default(1),
  }),
  auth: z.strictObject({
    /** The IdP's `iss`, exactly; https unless it is this machine. */
    issuer: httpUrl,
    /** The BFF's entry in the IdP's clients.yaml. */
    client_id: z.string().min(1),
    /** How the BFF proves itself at the IdP. */
    token_endpoint_auth_method: z.enum(CLIENT_AUTH_METHODS).default('client_secret_basic'),
    /** The secret, or `file:PATH`; for `client_secret_basic` and `client_secret_post`. */
    client_secret: z.string().min(1).optional(),
    /** Our certificate on connections to the IdP; for the `tls` methods needed. */
    mtls: z
      .strictObject({
        /** Our certificate (PEM), with those between it and its authority. */
        cert_file: z.string().min(1),
        /** Its private key (PEM). */
        key_file: z.string().min(1),
        /** Certificates (PEM) of the authorities that may vouch for the IdP; default: Node's. */
        ca_file: z.string().min(1).optional(),
      })
      .optional(),
    /** Binds the login's own tokens to a key of ours (DPoP, RFC 9449). */
    dpop: z.boolean().default(false),
    /** The keys that the BFF signs with: of `private_key_jwt`, user assertions and DPoP. */
    keys: z
      .strictObject({
        /** A key this old, in days, is followed by the next one. */
        rotate_after_days: z.int().min(1).max(3650).default(30),
        /** A key this old, in days, is no longer published. */
        retire_after_days: z.int().min(2).max(7300).default(60),
      })
      .default({ rotate_after_days: 30, retire_after_days: 60 }),
    /** What the login asks for. */
    oauth_scopes: scopeText,
    /** Services whose tokens are minted right after the login; default: all routed, at most 8. */
    eager_services: z.array(z.string()).max(64).optional(),
    /** Hosts besides our own that `return_to` may name. */
    allowed_redirect_hosts: z.array(z.string().min(1)).default([]),
    /** Tolerated difference between our clock and the IdP's, in seconds. */
    clock_tolerance_seconds: z.int().min(0).max(600).default(60),
    /** No service token is used for longer than this, in seconds, whatever its `exp`. */
    service_token_seconds: z.int().min(1).max(3600).default(600),
    /** How long a call to the IdP may take, in seconds. */
    idp_timeout_seconds: z.number().min(0.1).max(60).default(5),
    /** Of each address: how often `/auth/login` and `/auth/callback` may be called; a sign-in calls both. */
    sign_in_rate_limit: rateSchema.optional(),
    audience: notYet('auth.audience'),
    jwks_url: notYet('auth.jwks_url'),
    dev_mode_enabled: notYet('auth.dev_mode_enabled'),
  }),
  /** By service: exactly what its tokens' `aud` must be. A service without an entry gets no token. */
  service_audiences: z.record(z.string(), z.string().min(1)).default({}),
  /** By service: the scopes of its token, as a text, a list, or a list with `requires`. */
  service_scopes: z.record(z.string(), serviceScopesSchema).default({}),
  /** By service: how its token is obtained; default `token_exchange`. */
  service_mint: z.record(z.string(), z.enum(MINT_METHODS)).default({}),
  /** By service: whether its token is bound to a key of ours (DPoP, RFC 9449), which it then asks for. */
  service_dpop: z.record(z.string(), z.boolean()).default({}),
  /** A service token of a session in use is replaced so long before its end, in seconds; at most half its life. */
  token_refresh_threshold: z.int().min(0).max(3600).default(300),
  /** Deprecated (V1): audience and scopes of a service in one entry. */
  service_tokens: serviceTokensSchema.optional(),
  session: z.strictObject({
    ...cookieKeys,
    /** Ends a session after this many seconds without a request. */
    idle_seconds: z.int().min(60).default(1800),
    /** Ends a session this many seconds after the login. */
    absolute_seconds: z.int().min(60).default(28_800),
    /** How long before its end a session's page is told, in seconds. */
    warn_seconds: z.int().min(10).max(3600).default(300),
    /** What the sessions in a process's memory may need, in MiB; what was not used for long is read from the store again. */
    memory_mb: z.int().min(1).max(65_536).default(64),
    /** From where a session may be used. */
    binding: bindingSchema,
  }),
  store: bffStoreSchema,
  cors: z
    .strictObject({
      /** Origins of other hosts that may call with credentials. */
      allow_origins: z.array(httpUrl).default([]),
      /** Origins of development servers that may call every frontend; only while all of them are on localhost. */
      dev_origins: z.array(httpUrl).default([]),
    })
    .default({ allow_origins: [], dev_origins: [] }),
  /** Frontends besides the one of `server.public_url`, by name: each with a host, cookies and a login of its own. */
  frontends: bffFrontendsSchema.default({}),
  /** Where access and decision events go; absent: nowhere. */
  events: z
    .strictObject({
      /** The SQLite file of events that are not yet acknowledged. */
      queue: z.string().min(1),
      /** The service that takes them, at `/api/v1/analytics/events`. */
      service: z.string().min(1),
    })
    .optional(),
  /** Spans for an OpenTelemetry collector (docs/admin/observability.md); absent: none. */
  telemetry: telemetrySchema.optional(),
  /** Absent: only sessions with the role `admin` reach `/admin`. */
  admin: z
    .strictObject({
      /** The administrator's token for tools, or `file:PATH`. */
      token: z.string().min(1),
    })
    .optional(),
  /** A proxy that carries the traffic (docs/admin/edge.md). Absent: `/auth/verify` says who is signed in, and no more. */
  edge: bffEdgeSchema.optional(),
  /** The IdP's config directory, relative to this file, where it may be read. */
  idp_config_dir: z.string().min(1).optional(),
  /** Each backend's own settings, by service and relative to this file, where they may be read. */
  backend_settings: z.record(z.string(), z.string().min(1)).default({}),
  authz: notYet('authz'),
  authz_enabled: notYet('authz_enabled'),
  authz_default_mapping_enabled: notYet('authz_default_mapping_enabled'),
  authz_validation_strict: notYet('authz_validation_strict'),
  cache: notYet('cache'),
  kafka: notYet('kafka'),
  pdp: notYet('pdp'),
  services: notYet('services'),
  strategy: notYet('strategy'),
})

export type BffSettings = z.output<typeof bffSettingsSchema>
