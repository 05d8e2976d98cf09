import type { Logger } from '@audience-bridge/kit/log.ts'
import type { Outbox } from '@audience-bridge/outbox/outbox.ts'
import { observe } from './explain/observe.ts'
import type { TraceStore } from './explain/trace-store.ts'
import type { Metrics } from './metrics.ts'
import { account } from './proxy/account.ts'
import type { Allowance } from './proxy/allowance.ts'
import type { Passage } from './proxy/exchange.ts'
import type { Telemetry } from './telemetry/telemetry.ts'

export interface SettleDeps {
  log: Logger
  outbox: Outbox | undefined
  anonymousEvents: Allowance
  traces: TraceStore
  telemetry: Telemetry
  metrics: Metrics
}

/** Accounts for a request that is over: log, events, metrics, trace. The same for every path. */
export function settle(deps: SettleDeps, passage: Passage): void {
  deps.telemetry.record(passage, performance.now())
  const told = passage.subject !== undefined || deps.anonymousEvents.take()
  account(deps.log, told ? deps.outbox : undefined, passage)
  deps.metrics.request(passage, performance.now() - passage.startedAt)
  // Our own pages and health checks are worth explaining only when they fail.
  const worth = passage.route !== undefined || passage.problem !== undefined
  if (worth && deps.traces.hasRoom(passage.res.statusCode)) {
    deps.traces.record(observe(passage, passage.res.statusCode))
  }
}
