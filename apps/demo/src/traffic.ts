import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from '@audience-bridge/kit/log.ts'
import { createBackoff } from '@audience-bridge/outbox/backoff.ts'
import { rarely } from '@audience-bridge/outbox/rare.ts'
import { createBrowserSession } from './browser-session.ts'
import type { DemoUser } from './organisation.ts'
import { type Random, randomOf } from './random.ts'
import { VISITS, type Visitor } from './visit.ts'

export interface TrafficDeps {
  bffUrl: string
  users: readonly DemoUser[]
  log: Logger
  signal: AbortSignal
  random?: Random
  /** Between two requests, at least and at most. */
  pauseMs?: readonly [number, number]
  firstRetryMs?: number
}

const GENTLE: readonly [number, number] = [400, 1_000]
const MAX_RETRY_MS = 15_000
const REPORT_EVERY_MS = 60_000

/**
 * The demo users at work, one request after the other, through the BFF as a browser would do it.
 * Whoever has lost the session signs in again; while something is away it waits and tries again.
 * Ends with the signal, and for no other reason.
 */
export async function runTraffic(deps: TrafficDeps): Promise<void> {
  const { bffUrl, log, signal } = deps
  const random = deps.random ?? randomOf('traffic', Date.now())
  const all = new Set<string>()
  const [first, ...others] = deps.users.map(
    ({ username, password, sub }): Visitor => ({
      username,
      colleagues: deps.users.flatMap((user) => (user.sub === sub ? [] : [user.sub])),
      session: createBrowserSession({ bffUrl, username, password, signal }),
      own: [],
      all,
    }),
  )
  if (first === undefined) return

  let statuses: Record<string, number> = {}
  const report = rarely(REPORT_EVERY_MS, (requests) => {
    log.info({ requests, statuses }, 'traffic')
    statuses = {}
  })
  let failure: unknown
  const reportFailure = rarely(REPORT_EVERY_MS, () => log.warn({ err: failure }, 'traffic waits'))
  const backoff = createBackoff(deps.firstRetryMs ?? 1_000, MAX_RETRY_MS)
  const [least, most] = deps.pauseMs ?? GENTLE

  while (!signal.aborted) {
    let waitMs = random.between(least, most)
    try {
      const visitor = random.pick([first, ...others])
      if (!visitor.session.signedIn()) await visitor.session.signIn()
      const status = await random.weighted(VISITS).act(visitor, random)
      statuses[status] = (statuses[status] ?? 0) + 1
      report()
      if (status < 500) backoff.reset()
      else waitMs = backoff.next()
    } catch (cause) {
      if (signal.aborted) return
      failure = cause
      reportFailure()
      waitMs = backoff.next()
    }
    await pause(waitMs, undefined, { signal }).catch(() => undefined)
  }
}
