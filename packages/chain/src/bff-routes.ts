import { z } from 'zod'
import { rateLimitSchema } from './bff-rates.ts'
import { upstreamFaults, upstreamKeys } from './bff-upstreams.ts'
import { httpUrl, notImplemented, notYet } from './schema.ts'
import { tlsFaults, tlsKeys } from './service-tls.ts'

export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
export type Method = (typeof METHODS)[number]

const serviceKeys = z.strictObject({
  /** Origin, or origin and path prefix, of the backend. */
  base_url: httpUrl,
  /** Seconds until the backend must have answered its response head. */
  timeout: z.number().min(0.05).max(3600).default(30),
  /** Paths, as the browser calls them, that `bridge verify` may GET to see the service answer. */
  probe: z
    .union([
      z
        .string()
        .startsWith('/')
        .transform((path) => [path]),
      z.array(z.string().startsWith('/')),
    ])
    .default([]),
  /** How often it may be called (docs/admin/rate-limits.md); absent: as often as anybody likes. */
  rate_limit: rateLimitSchema.optional(),
  token_audience: notYet('services.<name>.token_audience'),
  ...upstreamKeys,
  ...tlsKeys,
})
const serviceSchema = serviceKeys.superRefine(tlsFaults).superRefine(upstreamFaults)

export const routeSchema = z.strictObject({
  /** Name of the route in logs, events and faults; each once. */
  id: z.string().min(1),
  /** For the reader of the file. */
  description: z.string().optional(),
  /** Pattern: literals, `{name}`, and `*` at the end, captured as `{path}`. */
  path: z.string().min(1),
  /** The service, as `services`, `service_audiences` and `service_scopes` name it. */
  target_service: z.string().superRefine((value, ctx) => {
    if (value === 'internal') ctx.addIssue(notImplemented('target_service: internal'))
  }),
  /** Template of the upstream path; default: the path as it came. */
  upstream_path: z.string().startsWith('/').optional(),
  /** Default: every method. */
  methods: z.array(z.enum(METHODS)).min(1).optional(),
  /** Who may call: holders of a session, of an access token for the service, or everybody. */
  auth: z.enum(['session', 'bearer', 'none']),
  /** Only `none`: `pdp` is refused until it decides. */
  authz: z
    .string()
    .superRefine((value, ctx) => {
      // Accepting `authz: pdp` without deciding would open what its author believes is closed.
      if (value === 'pdp') ctx.addIssue(notImplemented('authz: pdp'))
      else if (value !== 'none')
        ctx.addIssue({ code: 'custom', message: 'none (or pdp, not implemented yet)' })
    })
    .optional(),
  authz_map: notYet('authz_map'),
  /** The response is a stream: no limit on its length in time. */
  streaming: z.boolean().default(false),
  /** Takes WebSockets (RFC 6455); without it an upgrade is refused. */
  websocket: z.boolean().default(false),
  /** Its backend's pages may run scripts in our origin, with the user's session: trust it as us. */
  serves_pages: z.boolean().default(false),
  /** Forward the path as it came; excludes `upstream_path`. */
  preserve_path: z.boolean().default(false),
  internal: notYet('internal'),
})

/** `ServiceConfigs/BFF/config/routes.yaml`. */
export const bffRoutesSchema = z.strictObject({
  /** For the reader of the file. */
  version: z.union([z.string(), z.number()]).optional(),
  /** For the reader of the file. */
  description: z.string().optional(),
  /** Where each backend is. */
  services: z.record(z.string(), serviceSchema),
  /** The most specific path wins, whatever the order. */
  routes: z.array(routeSchema),
})

export type Service = z.output<typeof serviceSchema>
export type Route = z.output<typeof routeSchema>
export type BffRoutes = z.output<typeof bffRoutesSchema>
