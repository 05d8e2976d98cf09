import { z } from 'zod'
import { httpUrl } from './schema.ts'

const circuitBreakerSchema = z.strictObject({
  /** `false`: each request asks, whatever became of those before. */
  enabled: z.boolean().default(true),
  /** So many failures in a row (no connection, no answer in time, none that is HTTP) suspend an upstream… */
  failures: z.int().min(1).max(1000).default(5),
  /** …for so many seconds; then one request tries it, and the others follow if it is answered. */
  seconds: z.number().min(0.1).max(3600).default(60),
  /** Statuses that count as failures, too. None by default: a user who can provoke one could suspend the service for all. */
  statuses: z.array(z.int().min(500).max(599)).default([]),
})

const retriesSchema = z.strictObject({
  /** How often a request is sent again, to another upstream where there is one. */
  attempts: z.int().min(0).max(5).default(1),
  /** Requests sent again are at most this percentage of those of the last ten seconds… */
  budget_percent: z.number().min(0).max(100).default(20),
  /** …and in any case so many in ten seconds. */
  minimum: z.int().min(0).max(10_000).default(10),
})

const healthCheckSchema = z.strictObject({
  /** Below the path of `base_url`; a status below 400 is health. It is asked without any token. */
  path: z.string().startsWith('/'),
  /** Seconds between two questions. */
  interval: z.number().min(0.05).max(3600).default(5),
  /** Seconds until the answer must be here. */
  timeout: z.number().min(0.05).max(60).default(2),
  /** So many failures in a row, and other upstreams are preferred. */
  unhealthy_after: z.int().min(1).max(100).default(3),
  /** So many answers in a row, and it is as good as the others. */
  healthy_after: z.int().min(1).max(100).default(2),
})

const concurrencySchema = z.strictObject({
  /** So many requests to the service may be under way at once, from this process. */
  requests: z.int().min(1).max(100_000),
  /** So many more may wait for their turn; all others are refused at once. */
  queue: z.int().min(0).max(100_000).default(0),
  /** How long one may wait, in seconds. */
  queue_seconds: z.number().min(0.01).max(60).default(1),
})

/** Keys of `services.<name>` about who is asked, when, and how often (docs/admin/upstreams.md). */
export const upstreamKeys = {
  /** More upstreams of the same service, besides `base_url`: with its scheme and its path. The one with the fewest requests under way is asked. */
  upstreams: z.array(httpUrl).max(64).default([]),
  /** Seconds until a connection must be there. */
  connect_timeout: z.number().min(0.05).max(60).default(5),
  /** Longest pause within an answer, in seconds; default: `timeout`, and no limit on `streaming` routes. */
  idle_timeout: z.number().min(0.05).max(86_400).optional(),
  /** The largest body that is passed on, in bytes; default: any size. */
  max_body_bytes: z.int().min(0).optional(),
  /** How many requests may be under way at once; absent: any number. */
  concurrency: concurrencySchema.optional(),
  /** When an upstream is left alone; absent: with several upstreams as its defaults say, with one never. */
  circuit_breaker: circuitBreakerSchema.optional(),
  /** When a request that failed is sent again; absent: with several upstreams as its defaults say, with one never. */
  retries: retriesSchema.optional(),
  /** Asks each upstream whether it is well; absent: what becomes of requests says it. */
  health_check: healthCheckSchema.optional(),
  /** An upstream that is back gets its full share of requests only after so many seconds. */
  slow_start: z.number().min(0).max(3600).default(10),
}

type UpstreamSettings = z.output<z.ZodObject<typeof upstreamKeys>> & { base_url: string }

/** One service is one place in several copies: whoever is asked, the same path leads to the same thing. */
export function upstreamFaults(service: UpstreamSettings, ctx: z.core.$RefinementCtx): void {
  const base = URL.parse(service.base_url)
  if (base === null) return
  const seen = new Set([base.host])
  for (const [i, text] of service.upstreams.entries()) {
    const url = URL.parse(text)
    if (url === null) continue
    const alike = url.protocol === base.protocol && url.pathname === base.pathname
    const path = ['upstreams', i]
    if (!alike || url.search !== base.search) {
      ctx.addIssue({ code: 'custom', path, message: 'scheme and path must be those of base_url' })
    } else if (seen.has(url.host)) {
      ctx.addIssue({ code: 'custom', path, message: 'an upstream that is named twice' })
    }
    seen.add(url.host)
  }
}
