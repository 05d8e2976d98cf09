import { z } from 'zod'
import { httpUrl, notYet } from './schema.ts'

/** Where a claim with roles or permissions is found in a token. */
const claimSource = z.strictObject({
  /** The name of a claim, or a path of names joined by dots (`realm_access.roles`). */
  source: z.string().min(1),
  /** How it holds several: `space_delimited` in one text, or a `list` of texts. */
  format: z.enum(['space_delimited', 'list']).default('list'),
})

const idpEntry = z.strictObject({
  /** By which a frontend names it (`frontends.<name>.idp`); each once. */
  name: z.string().regex(/^[a-z][a-z0-9-]*$/, 'a name in small letters'),
  /** The IdP's part in the names of its users (`auth:account:PROVIDER:SUB`); default: `name`. */
  provider: z
    .string()
    .regex(/^[A-Za-z0-9._-]+$/, 'letters, digits, ".", "_" and "-"')
    .optional(),
  /** Its `iss`, exactly; https unless it is this machine. */
  issuer: httpUrl,
  /** Bearer tokens of this issuer for exactly this audience are admitted; absent: none are. */
  audience: z.string().min(1).optional(),
  /** Where its keys are; default: what its metadata say. */
  jwks_url: httpUrl.optional(),
  /** Our client there; needed only where users sign in. */
  client_id: z.string().min(1).optional(),
  /** The secret, or `file:PATH`; for `client_secret_basic` and `client_secret_post`. */
  client_secret: z.string().min(1).optional(),
  /** How the BFF proves itself there; `private_key_jwt` needs no secret: its keys are at `/.well-known/jwks.json`. */
  token_endpoint_auth_method: z
    .enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt'])
    .default('client_secret_basic'),
  /** What its claims say of a user; without it its users have no roles. */
  claims_mapping: z
    .strictObject({
      /** All that these name are roles; `admin` opens `/admin`. */
      roles: z.array(claimSource).default([]),
      /** Told to the page with the session, and to backends in `X-User-Assertion`. */
      permissions: z.array(claimSource).default([]),
    })
    .default({ roles: [], permissions: [] }),
  introspection_url: notYet('introspection_url'),
  token_url: notYet('token_url'),
  enable_token_exchange: notYet('enable_token_exchange'),
  api_key: notYet('api_key'),
})

/** `ServiceConfigs/BFF/config/idps.yaml`: the identity providers besides that of `auth`. */
export const bffIdpsSchema = z.strictObject({
  /** One entry for each issuer and audience. */
  idps: z.array(idpEntry).default([]),
})

export type IdpEntry = z.output<typeof idpEntry>
export type BffIdps = z.output<typeof bffIdpsSchema>
export type ClaimsMapping = IdpEntry['claims_mapping']
