import { z } from 'zod'

/** `edge` in the BFF's settings.yaml: a proxy in front that asks `/auth/verify` and carries the traffic. */
export const bffEdgeSchema = z.strictObject({
  /** Hands the service's `Authorization` for the original request to a proxy that proves itself: a peer of `server.trusted_proxies` with the `secret`. */
  tokens: z.boolean().default(false),
  /** What the proxy sends in `X-Edge-Secret`, ≥ 32 characters without spaces, or `file:PATH`. */
  secret: z.string().min(1).optional(),
  /** How long the proxy may go on using an answer, in seconds: a session that ends lives on for as long there. */
  cache_seconds: z.int().min(0).max(30).default(5),
  /** Takes method and URI from `X-Forwarded-Method`/`-Uri` or `X-Original-Method`/`-URI` where the secret comes without them. Only for a proxy that always overwrites both: else its clients choose what is judged. */
  trust_uri_headers: z.boolean().default(false),
})

export type BffEdgeSettings = z.output<typeof bffEdgeSchema>
