import type { Passage } from './exchange.ts'

/**
 * Whether a page sent the request that may not call this frontend. Asked before anything else: no
 * answer, and no refusal either, is for the pages of an origin that is not listed.
 */
export function isForeign(passage: Passage): boolean {
  const { origin } = passage.req.headers
  if (origin === undefined) return false
  const allowed = passage.frontend.trustedOrigins.has(origin)
  passage.originSeen = { origin, allowed }
  return !allowed
}

/**
 * Whether a listed page is on another site than a cookie that is `SameSite=Lax`: browsers will never
 * send it there, and the page would ask its user to sign in for ever.
 */
export function isOfOtherSite({ req, frontend, originSeen }: Passage): boolean {
  const { cookies, corsOrigins } = frontend
  if (originSeen === undefined || !corsOrigins.has(originSeen.origin ?? '')) return false
  if (cookies.sameSite === 'none' || req.headers['sec-fetch-site'] !== 'cross-site') return false
  originSeen.allowed = false
  originSeen.other_site = true
  return true
}
