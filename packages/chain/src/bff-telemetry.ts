import { z } from 'zod'
import { httpUrl } from './schema.ts'

/** `telemetry` in the BFF's settings.yaml. */
export const telemetrySchema = z.strictObject({
  /** Whether requests are recorded as spans; off, they cost nothing. */
  enabled: z.boolean().default(false),
  /** The collector's OTLP/HTTP address; `/v1/traces` is added where it has no path. */
  endpoint: httpUrl.default('http://localhost:4318'),
  /** The share of requests that are recorded, and whose backends are told so. */
  sampling: z.number().min(0).max(1).default(1),
  /** Callers that send a `traceparent` decide about their requests themselves; off: anybody could have all of theirs recorded. */
  follow_callers: z.boolean().default(false),
  /** Headers for the collector, such as `Authorization`: each a value, or `file:PATH`. */
  headers: z.record(z.string().regex(/^[A-Za-z0-9-]+$/), z.string().min(1)).default({}),
})

export type BffTelemetrySettings = z.output<typeof telemetrySchema>
