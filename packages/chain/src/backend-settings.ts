import { z } from 'zod'

/**
 * What the bridge must know of a backend's own settings, whatever else they hold: whose tokens it
 * takes, and for which audience. Loose: a backend is not ours to judge.
 */
export const backendSettingsSchema = z.looseObject({
  auth: z.looseObject({
    issuer: z.string().min(1),
    /** Exactly what a token's `aud` must be. */
    audience: z.string().min(1),
  }),
})

export type BackendSettings = z.output<typeof backendSettingsSchema>
