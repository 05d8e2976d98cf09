import { setTimeout as pause } from 'node:timers/promises'
import type { BridgeEvent } from '@audience-bridge/contracts/event.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import { createBackoff } from '@audience-bridge/outbox/backoff.ts'
import { type Delivery, postBatch } from '@audience-bridge/outbox/delivery.ts'
import { rarely } from '@audience-bridge/outbox/rare.ts'

/** Sends batches of events through the public endpoint, a few at once, until each is stored. */

export interface IngestDeps {
  /** The endpoint, `…/api/v1/analytics/events`. */
  url: string
  token: (refused?: string) => Promise<string>
  log: Logger
  /** Ends the ingest; what was not acknowledged is sent by the next start. */
  signal: AbortSignal
  batchEvents?: number
  firstRetryMs?: number
}

const BATCH_EVENTS = 4_000
const IN_FLIGHT = 3
const TIMEOUT_MS = 30_000
const MAX_RETRY_MS = 10_000
const REPORT_EVERY_MS = 60_000

/**
 * @param onDay told after each day that was taken up, with the number of events stored so far.
 * @returns the number of events that are stored, those known before included.
 * @throws the signal's reason when it is aborted.
 */
export async function ingest(
  deps: IngestDeps,
  days: Iterable<{ events: BridgeEvent[]; day: number }>,
  onDay: (day: number, stored: number) => void = () => undefined,
): Promise<number> {
  const { batchEvents = BATCH_EVENTS } = deps
  const inFlight = new Set<Promise<void>>()
  let stored = 0
  let batch: BridgeEvent[] = []

  const flush = async () => {
    const events = batch
    batch = []
    if (events.length === 0) return
    const delivery = deliver(deps, events).then((count) => {
      stored += count
      inFlight.delete(delivery)
    })
    inFlight.add(delivery)
    if (inFlight.size >= IN_FLIGHT) await Promise.race(inFlight)
  }

  try {
    for (const { events, day } of days) {
      for (const event of events) {
        batch.push(event)
        if (batch.length >= batchEvents) await flush()
      }
      onDay(day, stored)
    }
    await flush()
  } finally {
    // Also when one failed: nothing may go on unseen.
    await Promise.all(inFlight)
  }
  return stored
}

async function deliver(deps: IngestDeps, events: readonly BridgeEvent[]): Promise<number> {
  const { url, token, log, signal } = deps
  const body = JSON.stringify(events)
  const backoff = createBackoff(deps.firstRetryMs ?? 200, MAX_RETRY_MS)
  let detail = ''
  const report = rarely(REPORT_EVERY_MS, () => log.warn({ detail }, 'ingest waits'))
  let refused: string | undefined
  while (true) {
    signal.throwIfAborted()
    const delivery = await attempt()
    if (delivery.kind === 'stored') {
      const { accepted, duplicates, rejected } = delivery.response
      if (rejected.length > 0) {
        log.error({ rejected: rejected.length, first: rejected[0] }, 'events rejected')
      }
      return accepted + duplicates
    }
    detail = delivery.detail
    report()
    await pause(backoff.next(), undefined, { signal })
  }

  async function attempt(): Promise<Delivery> {
    let bearer: string
    try {
      bearer = await token(refused)
    } catch (cause) {
      return { kind: 'retry', detail: 'no token could be had', cause }
    }
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
    const delivery = await postBatch(url, bearer, body, limit)
    refused = delivery.kind === 'token_refused' ? bearer : undefined
    return delivery
  }
}
