import { setImmediate } from 'node:timers/promises'
import { bridgeEvent } from '@audience-bridge/contracts/event.ts'
import type { z } from 'zod'
import { type EventRow, rowOf } from './row.ts'

/** Nothing of this system is older; the store's own range begins in 1900. */
const EARLIEST_MS = Date.UTC(2000, 0, 1)
/** A clock may be ahead; by more than a day, the event would hide from every window. */
const AHEAD_MS = 24 * 3600 * 1000
/** Events that are validated before others get their turn: about 5 ms. */
const SLICE = 250

export interface Rejection {
  index: number
  id?: string
  detail: string
}

export interface Batch {
  rows: EventRow[]
  rejected: Rejection[]
}

/** Validates each event on its own: the good ones become rows, the bad ones say what is wrong. */
export async function readBatch(items: readonly unknown[], nowMs: number): Promise<Batch> {
  const batch: Batch = { rows: [], rejected: [] }
  for (const [index, item] of items.entries()) {
    if (index % SLICE === SLICE - 1) await setImmediate()
    const outcome = readEvent(item, nowMs)
    if (typeof outcome !== 'string') batch.rows.push(outcome)
    else batch.rejected.push({ index, ...idOf(item), detail: outcome })
  }
  return batch
}

function readEvent(item: unknown, nowMs: number): EventRow | string {
  const parsed = bridgeEvent.safeParse(item)
  if (!parsed.success) return describeIssues(parsed.error)
  const time = Date.parse(parsed.data.time)
  if (!(time >= EARLIEST_MS)) return 'time: before the year 2000'
  if (time > nowMs + AHEAD_MS) return 'time: more than a day in the future'
  return rowOf(parsed.data, nowMs)
}

/** Names fields, never values: what a field holds is not for logs and other people's eyes. */
export function describeIssues(error: z.ZodError): string {
  return error.issues
    .slice(0, 5)
    .map((issue) => {
      const path = issue.path.join('.')
      return `${path === '' ? 'event' : path}: ${issue.message}`
    })
    .join('; ')
}

function idOf(item: unknown): { id?: string } {
  const id = (item as { id?: unknown } | null | undefined)?.id
  return typeof id === 'string' ? { id: id.slice(0, 256) } : {}
}
