import type { Logger } from '@audience-bridge/kit/log.ts'
import { createBackoff } from './backoff.ts'
import type { Delivery } from './delivery.ts'
import type { Batch, DiskQueue } from './queue.ts'
import { rarely } from './rare.ts'

/**
 * Takes batches from the queue, oldest first, one at a time, and removes a batch only once the
 * receiver has said that it is stored: an acknowledgement that got lost means sending again, which
 * the events' ids make harmless.
 */

export interface SenderOptions {
  queue: DiskQueue
  post: (token: string, body: string, signal: AbortSignal) => Promise<Delivery>
  token: (refused?: string) => Promise<string>
  log: Logger
  batchEvents: number
  batchBytes: number
  /** How long a batch that is not full waits for more. */
  flushMs: number
  requestTimeoutMs: number
  firstRetryMs: number
  maxRetryMs: number
}

export interface SenderStats {
  /** Acknowledged as stored, now or before. */
  sent: number
  /** Refused by the receiver for what they are, and dropped. */
  rejected: number
  /** Attempts that ended without an acknowledgement. */
  failedAttempts: number
}

export interface Sender {
  /** Says that the queue has grown. */
  wake(): void
  /** Sends what is left until the queue is empty, an attempt fails, or `deadlineMs` is over. */
  stop(deadlineMs: number): Promise<void>
  stats(): SenderStats
}

const REPORT_EVERY_MS = 60_000
const REJECTIONS_LOGGED = 5

export function startSender(options: SenderOptions): Sender {
  const { queue, log, batchEvents } = options
  const backoff = createBackoff(options.firstRetryMs, options.maxRetryMs)
  const stats: SenderStats = { sent: 0, rejected: 0, failedAttempts: 0 }
  const abort = new AbortController()
  let closing = false
  let failing = false
  let refusedToken: string | undefined
  let resume: (() => void) | undefined
  let lastFailure: { detail: string; cause?: unknown } = { detail: '' }
  const reportFailure = rarely(REPORT_EVERY_MS, (times) =>
    log.warn(
      { detail: lastFailure.detail, err: lastFailure.cause, attempts: times },
      'events wait: they could not be delivered',
    ),
  )

  /** Ends after `ms`, or as soon as a wake-up finds `until` true. */
  const pause = (ms: number | undefined, until: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(() => done(), ms)
      // Telemetry alone keeps no process alive.
      timer?.unref()
      const done = () => {
        clearTimeout(timer)
        resume = undefined
        resolve()
      }
      resume = () => {
        if (closing || until()) done()
      }
      resume()
    })

  const post = async (body: string): Promise<Delivery> => {
    const signal = AbortSignal.any([abort.signal, AbortSignal.timeout(options.requestTimeoutMs)])
    let token: string
    try {
      token = await unlessAborted(options.token(refusedToken), signal)
    } catch (cause) {
      return { kind: 'retry', detail: 'no token could be had for the receiver', cause }
    }
    const delivery = await options.post(token, body, signal)
    refusedToken = delivery.kind === 'token_refused' ? token : undefined
    return delivery
  }

  const count = (delivery: Extract<Delivery, { kind: 'stored' }>) => {
    const { accepted, duplicates, rejected } = delivery.response
    stats.sent += accepted + duplicates
    reject(rejected)
  }

  const reject = (rejected: readonly { id?: string | undefined; detail: string }[]) => {
    stats.rejected += rejected.length
    for (const { id, detail } of rejected.slice(0, REJECTIONS_LOGGED)) {
      log.warn({ event_id: id, detail, rejected: rejected.length }, 'event rejected and dropped')
    }
  }

  /**
   * Halves a refused body until the receiver takes the parts. What it refuses alone is dropped only
   * if it took another part: a wrong address that answers 400 to everything must not empty the queue.
   */
  const sendInParts = async (batch: Batch, first: Delivery): Promise<Delivery> => {
    const refused: { id?: string; detail: string }[] = []
    let storedAny = false
    const pending: unknown[][] = [JSON.parse(batch.body)]
    for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
      const delivery = part.length === batch.events ? first : await post(JSON.stringify(part))
      if (delivery.kind === 'stored') {
        storedAny = true
        count(delivery)
      } else if (delivery.kind !== 'body_refused') {
        return delivery
      } else if (part.length > 1) {
        const middle = part.length >> 1
        pending.push(part.slice(middle), part.slice(0, middle))
      } else {
        refused.push({ ...idOf(part[0]), detail: delivery.detail })
      }
    }
    if (!storedAny) return first
    reject(refused)
    return { kind: 'stored', response: { accepted: 0, duplicates: 0, rejected: [] } }
  }

  const fillsBatch = () => {
    const { events, bytes } = queue.size()
    return events >= batchEvents || bytes >= options.batchBytes
  }

  const attempt = async (batch: Batch): Promise<boolean> => {
    let delivery = await post(batch.body)
    // A token may have been revoked or its key rotated: one new one at once, then patience.
    if (delivery.kind === 'token_refused') delivery = await post(batch.body)
    if (delivery.kind === 'body_refused') delivery = await sendInParts(batch, delivery)
    if (delivery.kind === 'stored') {
      count(delivery)
      queue.remove(batch.lastSeq)
      return true
    }
    lastFailure = delivery
    return false
  }

  const run = async () => {
    while (true) {
      if (queue.size().events === 0) {
        if (closing) return
        await pause(undefined, () => queue.size().events > 0)
        continue
      }
      await pause(options.flushMs, fillsBatch)
      const batch = queue.peek(batchEvents, options.batchBytes)
      if (batch === undefined) continue
      if (await attempt(batch)) {
        if (failing) log.info('events are delivered again')
        failing = false
        backoff.reset()
        continue
      }
      if (abort.signal.aborted) return
      failing = true
      stats.failedAttempts += 1
      reportFailure()
      if (closing) return
      await pause(backoff.next(), () => false)
    }
  }

  const supervise = async () => {
    while (!abort.signal.aborted) {
      try {
        return await run()
      } catch (cause) {
        // The disk, most likely. Nothing was removed; go on when it is well again.
        log.error({ err: cause }, 'the event queue cannot be read')
        if (closing) return
        await pause(backoff.next(), () => false)
      }
    }
  }
  const running = supervise()

  return {
    wake: () => resume?.(),
    async stop(deadlineMs) {
      closing = true
      resume?.()
      const deadline = setTimeout(() => abort.abort(), deadlineMs)
      await running
      clearTimeout(deadline)
    },
    stats: () => ({ ...stats }),
  }
}

function idOf(event: unknown): { id?: string } {
  if (typeof event !== 'object' || event === null || !('id' in event)) return {}
  return { id: String(event.id) }
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
    if (signal.aborted) onAbort()
  })
}
