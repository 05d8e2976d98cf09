import type { Rate } from '@audience-bridge/chain/bff-rates.ts'
import type { BridgeConfig } from '@audience-bridge/chain/bridge-config.ts'

/** A token bucket as it is counted: in the time that it takes to refill. */
export interface RateRule {
  /** Of the rule among all; the buckets of a rule outlive a new configuration. */
  name: string
  /** By what callers are told apart, or that they sign in. */
  per: RatePer
  /** How long one request takes to refill. */
  costMs: number
  /** How long the empty bucket takes to refill. */
  depthMs: number
  /** The `RateLimit-Policy` of it. */
  policy: string
}

export type RatePer = 'session' | 'address' | 'sign_in'

/** Of one service; absent: no limit. */
export interface ServiceRates {
  perSession: RateRule | undefined
  perAddress: RateRule | undefined
}

/** The rules by service; services without a limit are not among them. */
export function readRates({ routes }: BridgeConfig): ReadonlyMap<string, ServiceRates> {
  const rates = new Map<string, ServiceRates>()
  for (const [service, { rate_limit: limit }] of Object.entries(routes.services)) {
    if (limit === undefined) continue
    rates.set(service, {
      perSession: limit.per_session && ruleOf(service, 'session', limit.per_session),
      perAddress: limit.per_address && ruleOf(service, 'address', limit.per_address),
    })
  }
  return rates
}

export const readSignInRate = ({ settings }: BridgeConfig): RateRule | undefined =>
  settings.auth.sign_in_rate_limit && ruleOf('', 'sign_in', settings.auth.sign_in_rate_limit)

function ruleOf(service: string, per: RatePer, { requests, seconds, burst }: Rate): RateRule {
  const costMs = (seconds * 1000) / requests
  const quota = burst ?? requests
  const depthMs = quota * costMs
  // What the bucket holds, and the time in which an empty one is whole again.
  const policy = `"${per}";q=${quota};w=${Math.max(1, Math.round(depthMs / 1000))}`
  return { name: `${per} ${service}`, per, costMs, depthMs, policy }
}
