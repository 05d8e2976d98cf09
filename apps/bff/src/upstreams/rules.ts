import type { Service } from '@audience-bridge/chain/bff-routes.ts'

/** When an upstream is left alone. */
export interface BreakerRules {
  failures: number
  openMs: number
  statuses: ReadonlySet<number>
}

export interface SlotRules {
  requests: number
  queue: number
  queueMs: number
}

export interface RetryRules {
  attempts: number
  /** Of the requests of a window. */
  ratio: number
  /** In a window. */
  minimum: number
}

export interface HealthRules {
  path: string
  intervalMs: number
  timeoutMs: number
  unhealthyAfter: number
  healthyAfter: number
}

/** Who is asked, when, and how often, for one service. */
export interface GroupRules {
  breaker: BreakerRules | undefined
  slots: SlotRules | undefined
  retries: RetryRules | undefined
  health: HealthRules | undefined
  slowStartMs: number
}

/** What holds where several upstreams are there to choose from, and nobody has said otherwise. */
const BREAKER = { enabled: true, failures: 5, seconds: 60, statuses: [] }
const RETRIES = { attempts: 1, budget_percent: 20, minimum: 10 }

export function readRules(service: Service | undefined): GroupRules {
  const several = (service?.upstreams.length ?? 0) > 0
  // One upstream that is left alone is a service that is away: only where that was asked for.
  const breaker = service?.circuit_breaker ?? (several ? BREAKER : undefined)
  const retries = service?.retries ?? (several ? RETRIES : undefined)
  const { concurrency, health_check: health, slow_start: slowStart = 0 } = service ?? {}
  return {
    breaker: breaker?.enabled
      ? {
          ...{ failures: breaker.failures, openMs: breaker.seconds * 1000 },
          statuses: new Set(breaker.statuses),
        }
      : undefined,
    slots: concurrency && {
      ...{ requests: concurrency.requests, queue: concurrency.queue },
      queueMs: concurrency.queue_seconds * 1000,
    },
    retries:
      retries && retries.attempts > 0
        ? {
            ...{ attempts: retries.attempts, minimum: retries.minimum },
            ratio: retries.budget_percent / 100,
          }
        : undefined,
    health: health && {
      ...{ path: health.path, intervalMs: health.interval * 1000 },
      timeoutMs: health.timeout * 1000,
      ...{ unhealthyAfter: health.unhealthy_after, healthyAfter: health.healthy_after },
    },
    slowStartMs: slowStart * 1000,
  }
}
