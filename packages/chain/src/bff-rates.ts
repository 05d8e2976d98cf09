import { z } from 'zod'
import type { ConfigDocument } from './document.ts'
import type { Fault } from './fault.ts'

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
type RateLimit = z.output<typeof rateLimitSchema>

/** Limits that no request counts against: their author believes that something is limited. */
export function idleLimits(
  {
    services,
    routes,
  }: {
    services: Readonly<Record<string, { rate_limit?: RateLimit | undefined }>>
    routes: readonly { target_service: string; auth: string }[]
  },
  document: Pick<ConfigDocument<unknown>, 'placeOf'>,
): Fault[] {
  return Object.entries(services).flatMap(([name, { rate_limit: limit }]): Fault[] => {
    if (limit?.per_session === undefined) return []
    const led = routes.filter(({ target_service }) => target_service === name)
    if (led.some(({ auth }) => auth === 'session')) return []
    const path = ['services', name, 'rate_limit', 'per_session']
    return [
      {
        kind: 'unsafe',
        code: 'rate_limit_idle',
        at: document.placeOf(path),
        key: path.join('.'),
        found: `a limit for sessions, and no route to "${name}" with auth: session`,
        expected: 'a limit that counts somebody',
        mend: 'limit callers without a session by per_address, or remove per_session',
      },
    ]
  })
}
