import { z } from 'zod'
import { backendAuthSchema } from './analytics-settings.ts'
import { httpUrl, listenSchema } from './schema.ts'

/** `ServiceConfigs/CRUD/config/settings.yaml`. */
export const crudSettingsSchema = z.strictObject({
  server: z.strictObject(listenSchema),
  auth: backendAuthSchema,
  store: z.strictObject({
    /** The SQLite file of projects and runs. */
    path: z.string().min(1),
  }),
  /** Where its events go, and as whom. */
  events: z.strictObject({
    /** The analytics service's `POST` endpoint. */
    url: httpUrl,
    /** The audience of the token that it sends. */
    audience: z.string().min(1),
    /** Its own entry in the IdP's clients.yaml. */
    client_id: z.string().min(1),
    /** The secret, or `file:PATH`. */
    client_secret: z.string().min(1),
    /** The SQLite file of events that are not yet acknowledged. */
    queue: z.string().min(1),
  }),
})

export type CrudSettings = z.output<typeof crudSettingsSchema>
