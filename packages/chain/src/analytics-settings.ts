import { z } from 'zod'
import { httpUrl, listenSchema } from './schema.ts'

/** What every backend's settings say of the tokens that it takes. */
export const backendAuthSchema = z.strictObject({
  /** The issuer whose tokens are taken. */
  issuer: httpUrl,
  /** Exactly what a token's `aud` must be. */
  audience: z.string().min(1),
})

/** `ServiceConfigs/Analytics/config/settings.yaml`. */
export const analyticsSettingsSchema = z.strictObject({
  server: z.strictObject(listenSchema),
  auth: backendAuthSchema,
  /** Who lacks all of these roles sees only the own rows. */
  reader_roles: z.array(z.string().min(1)).default([]),
  engine: z
    .strictObject({
      /** A directory for the embedded engine. */
      path: z.string().min(1).optional(),
      /** A ClickHouse server instead. */
      url: httpUrl.optional(),
    })
    .refine((engine) => (engine.path === undefined) !== (engine.url === undefined), {
      message: 'either path or url',
    }),
})

export type AnalyticsSettings = z.output<typeof analyticsSettingsSchema>
