import { z } from 'zod'
import { httpUrl, scopeText } from './schema.ts'

/** How a frontend's session cookie is called and scoped; for the first one these are keys of `session`. */
export const cookieKeys = {
  /** Default: `__Host-bff_session`, or `bff_session` when a cookie domain is set. */
  cookie_name: z
    .string()
    .regex(/^[A-Za-z0-9_-]+$/, 'letters, digits, "_" and "-"')
    .optional(),
  /** Added to every cookie name: two BFFs on one host name need two names. A frontend of `frontends` has its own name here unless it says otherwise. */
  cookie_suffix: z
    .union([z.string().regex(/^[A-Za-z0-9_-]+$/), z.int().transform(String)])
    .optional(),
  /** Shares the session cookie with the hosts below this domain, and gives up `__Host-`. */
  cookie_domain: z.string().min(1).optional(),
  /** `none`: pages of other sites may call; the cookie is then `SameSite=None; Partitioned`. Needs https and `allow_origins`. */
  same_site: z.enum(['lax', 'none']).default('lax'),
}

/** `frontends` of settings.yaml: the frontends besides the first, by name. */
export const bffFrontendsSchema = z.record(
  z.string().regex(/^(?!default$)[a-z][a-z0-9-]*$/, 'a name in small letters, and not "default"'),
  z.strictObject({
    /** The origin that browsers use; its host chooses the frontend. */
    public_url: httpUrl,
    ...cookieKeys,
    /** What its login asks for; default: `auth.oauth_scopes`. */
    oauth_scopes: scopeText.optional(),
    /** The `name` of the entry of idps.yaml where its users sign in; default: the IdP of `auth`. */
    idp: z.string().min(1).optional(),
    /** Pages of other origins. */
    cors: z
      .strictObject({
        /** Origins of other hosts that may call this frontend with credentials. */
        allow_origins: z.array(httpUrl).default([]),
      })
      .default({ allow_origins: [] }),
  }),
)
