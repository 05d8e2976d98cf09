import type { Socket } from 'node:net'
import type { RateRule } from '../rates.ts'
import { addressOf, prefixOf } from '../session/binding.ts'
import type { Passage, RequestSeen } from './exchange.ts'
import type { RateLimits } from './rate-limits.ts'

export interface RateDeps {
  rates: RateLimits
}

/**
 * Counts a request against the limit of its service, if there is one, as its session's or, without
 * one, its address's: the same for each way of carrying it. To be called last, for it changes what
 * is left.
 *
 * @param requests 0: it was counted before.
 * @returns false when the caller has to wait; nothing was taken then.
 */
export function takeRate(deps: RateDeps, passage: Passage, requests: 0 | 1 = 1): boolean {
  const limits = passage.config.rates.get(passage.route?.route.target_service ?? '')
  if (limits === undefined) return true
  const { session, req, config, startedAt } = passage
  const rule = session === undefined ? limits.perAddress : limits.perSession
  if (rule === undefined) return true
  const caller = session?.ticket.id ?? callerAddress(req, config)
  passage.rate = rule
  passage.rateMs = deps.rates.take(rule, caller, startedAt, requests)
  return passage.rateMs >= 0 || requests === 0
}

/**
 * As `takeRate`, for a sign-in: of each address, whatever the cookie.
 *
 * @returns what it is told when it has to wait.
 */
export function takeSignIn(deps: RateDeps, passage: Passage): Record<string, string> | undefined {
  const { config, req, startedAt } = passage
  if (config.signInRate === undefined) return undefined
  passage.rate = config.signInRate
  passage.rateMs = deps.rates.take(config.signInRate, callerAddress(req, config), startedAt)
  return passage.rateMs < 0 ? excessHeaders(config.signInRate, passage.rateMs) : undefined
}

/** For a caller who has to wait. */
export const excessHeaders = (rate: RateRule, rateMs: number): Record<string, string> => ({
  'Retry-After': String(Math.ceil(-rateMs / 1000)),
  'RateLimit-Policy': rate.policy,
  RateLimit: rateState(rate, rateMs),
})

/** What is left, for the caller: the `RateLimit` of draft-ietf-httpapi-ratelimit-headers-10. */
export function rateState(rate: RateRule, rateMs: number): string {
  const wholeMs = rateMs < 0 ? rate.depthMs - rate.costMs - rateMs : rateMs
  const left = Math.max(0, Math.floor((rate.depthMs - wholeMs) / rate.costMs + 1e-6))
  return `"${rate.per}";r=${left};t=${Math.ceil(wholeMs / 1000)}`
}

type Proxies = Pick<Passage['config'], 'isTrustedProxy'>

/** What was found for a connection; behind a proxy each request may be another client's. */
interface Known {
  forwarded: string | string[] | undefined
  isTrustedProxy: Proxies['isTrustedProxy']
  address: string
}
const KNOWN = new WeakMap<Socket, Known>()

/**
 * Who calls without a session. An IPv6 customer has at least a /64, and all of it at once: whole
 * networks of that size are one caller.
 */
function callerAddress(req: RequestSeen, { isTrustedProxy }: Proxies): string {
  const forwarded = req.headers['x-forwarded-for']
  const known = KNOWN.get(req.socket)
  if (known?.isTrustedProxy === isTrustedProxy && known.forwarded === forwarded) {
    return known.address
  }
  const full = addressOf(req, { isTrustedProxy })
  const address = full.includes(':')
    ? (prefixOf(full, { ipv4Bits: 32, ipv6Bits: 64 })?.bits ?? full)
    : full
  KNOWN.set(req.socket, { forwarded, isTrustedProxy, address })
  return address
}
