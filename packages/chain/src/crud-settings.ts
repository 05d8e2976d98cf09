import { z } from 'zod'
import { backendAuthSchema } from './analytics-settings.ts'
import { httpUrl, listenSchema } from './schema.ts'

/** `ServiceConfigs/CRUD/config/settings.yaml`. */
export const crudSettingsSchema = z.strictObject({
  server: z.strictObject(listenSchema),
  auth: backendAuthSchema,
  store: z.strictObject({ path: z.string().min(1) }),
  /** Where its events go, and as whom. */
  events: z.strictObject({
    url: httpUrl,
    audience: z.string().min(1),
    client_id: z.string().min(1),
    client_secret: z.string().min(1),
    queue: z.string().min(1),
  }),
})

export type CrudSettings = z.output<typeof crudSettingsSchema>
