import { z } from 'zod'

/** A token bucket: it refills evenly, and what is not used fills it up to `burst`. */
export const rateSchema = z.strictObject({
  /** How many requests may come… */
  requests: z.int().min(1).max(1_000_000),
  /** …in so many seconds, for ever. */
  seconds: z.number().min(0.001).max(86_400),
  /** How many may come at once after a pause; default: `requests`. */
  burst: z.int().min(1).max(1_000_000).optional(),
})

/** `services.<name>.rate_limit`: of callers with a session, and of all others. */
export const rateLimitSchema = z
  .strictObject({
    /** Of each session: users behind one address do not stand in each other's way. */
    per_session: rateSchema.optional(),
    /** Of each address (IPv6: /64), for callers without a session; those with one are not counted here. */
    per_address: rateSchema.optional(),
  })
  .refine((limit) => limit.per_session !== undefined || limit.per_address !== undefined, {
    message: 'limits nothing: give per_session, per_address or both',
  })

export type Rate = z.output<typeof rateSchema>
