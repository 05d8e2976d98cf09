import cluster from 'node:cluster'
import { z } from 'zod'

/** The variable by which a worker learns which one it is. */
export const SLOT_VARIABLE = 'BFF_WORKER'

const slotSchema = z.strictObject({
  /** From 1; a worker that died is followed by one of the same number. */
  number: z.int().min(1),
  /** How many there are. */
  count: z.int().min(2),
  /** Names the settings that all of them must have in common. */
  fixed: z.string(),
})

export type Slot = z.output<typeof slotSchema>

/** Which worker this process is; undefined: it is none. */
export function readSlot(env: Readonly<Record<string, string | undefined>>): Slot | undefined {
  if (!cluster.isWorker) return undefined
  return slotSchema.parse(JSON.parse(env[SLOT_VARIABLE] ?? '{}'))
}
