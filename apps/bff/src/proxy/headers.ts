import type { CookiePolicy } from '../session/cookie.ts'
import { isOurCookie } from '../session/cookie.ts'
import { lowerName, nameSeen } from './header-names.ts'
import { forwardedValue } from './hops.ts'

/**
 * What of a head passes the gateway, in each direction. Pure functions over raw header lists
 * (`[name, value, name, value, …]`), so that repeated fields stay as they came.
 */

/** Who is at the other end of the connection and what to say of them. */
export interface Client {
  address: string
  /** The peer is a trusted proxy: what it says of hops before it is believed. */
  trusted: boolean
  proto: 'http' | 'https'
  host: string
}

export interface ForwardHead {
  client: Client
  correlationId: string
  /** The value of `Authorization`, when the route carries a token. */
  authorization: string | undefined
  /** Proof of the key that the token is bound to (RFC 9449). */
  dpop: string | undefined
  /** A JWT that names the user, on services that are called with a machine token. */
  userAssertion: string | undefined
  /** Our entry in `Via`. */
  via: string | undefined
  /** Whether it is told in `Forwarded`, too. */
  forwarded: boolean
}

/** What of a browser's fields goes on, and what they say of the hops before. */
export interface Passing {
  /** Raw list, names and values in turn. */
  fields: readonly string[]
  forwardedFor: string | undefined
  forwardedProto: string | undefined
  forwardedHost: string | undefined
}

const NOT_BELIEVED: Omit<Passing, 'fields'> = {
  forwardedFor: undefined,
  forwardedProto: undefined,
  forwardedHost: undefined,
}

/** Reads a browser's fields, whoever sent them: the same list gives the same. */
export function passOn(raw: readonly string[]): Passing {
  const nominated = nominatedBy(raw)
  const fields: string[] = []
  let forwardedFor: string | undefined
  let forwardedProto: string | undefined
  let forwardedHost: string | undefined
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const value = raw[i + 1] ?? ''
    const { lower, passes } = nameSeen(name)
    if (lower === 'x-forwarded-for')
      forwardedFor = forwardedFor ? `${forwardedFor}, ${value}` : value
    else if (lower === 'x-forwarded-proto') forwardedProto = value
    else if (lower === 'x-forwarded-host') forwardedHost = value
    if (passes && !nominated?.has(lower)) fields.push(name, value)
  }
  return { fields, forwardedFor, forwardedProto, forwardedHost }
}

/**
 * Our own fields for the backend, behind those that pass: a client's `Connection: x-correlation-id`
 * must not remove what we add.
 */
export function ownHeaders(passing: Passing, forward: ForwardHead): string[] {
  const { client } = forward
  // Only a trusted proxy is believed.
  const { forwardedFor, forwardedProto, forwardedHost } = client.trusted ? passing : NOT_BELIEVED
  const addresses = forwardedFor ? `${forwardedFor}, ${client.address}` : client.address
  const proto = forwardedProto ?? client.proto
  const host = forwardedHost ?? client.host
  const out = [
    'X-Forwarded-For',
    addresses,
    'X-Forwarded-Proto',
    proto,
    'X-Forwarded-Host',
    host,
    'X-Correlation-ID',
    forward.correlationId,
  ]
  // Of what came in `Forwarded` nothing is believed: a proxy that writes X-Forwarded-* lets a client's pass.
  if (forward.forwarded) out.push('Forwarded', forwardedValue(addresses, proto, host))
  if (forward.via !== undefined) out.push('Via', forward.via)
  if (forward.authorization !== undefined) out.push('Authorization', forward.authorization)
  if (forward.dpop !== undefined) out.push('DPoP', forward.dpop)
  if (forward.userAssertion !== undefined) out.push('X-User-Assertion', forward.userAssertion)
  return out
}

/** Fields that `Connection` names belong to this hop (RFC 9110 §7.6.1). */
function nominatedBy(raw: readonly string[]): ReadonlySet<string> | undefined {
  let names: Set<string> | undefined
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (lowerName(raw[i] ?? '') !== 'connection') continue
    for (const name of (raw[i + 1] ?? '').split(',')) {
      names ??= new Set()
      names.add(name.trim().toLowerCase())
    }
  }
  return names
}

export interface ReturnHead {
  /** Of every frontend: a cookie with a domain reaches beyond the host that sets it. */
  cookies: readonly CookiePolicy[]
  /** Rewrites a `Location`; undefined drops it. */
  location: (value: string) => string | undefined
  /** The answer belongs to a session. */
  private: boolean
  /** The route serves pages of ours (`serves_pages`): they may run scripts in our origin. */
  pages: boolean
}

/** The head for the browser from the backend's head. */
export function returnHeaders(raw: readonly string[], back: ReturnHead): string[] {
  const nominated = nominatedBy(raw)
  const out: string[] = []
  let cacheControl = ''
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const value = raw[i + 1] ?? ''
    const { lower, returns } = nameSeen(name)
    if (returns === 'never' || nominated?.has(lower)) continue
    if (returns === 'perhaps') {
      // A backend that sets our cookie could fix or steal the session.
      if (lower === 'set-cookie') {
        if (back.cookies.some((policy) => isOurCookie(value, policy))) continue
      } else if (lower === 'cache-control') cacheControl += `,${value}`
      else {
        const rewritten = back.location(value)
        if (rewritten !== undefined) out.push(name, rewritten)
        continue
      }
    }
    out.push(name, value)
  }
  // A backend's HTML would run in our origin, with every user's session at hand: whoever breaks one
  // backend would have them all. It is shown without scripts and without the origin.
  if (!back.pages)
    out.push('Content-Security-Policy', 'sandbox', 'X-Content-Type-Options', 'nosniff')
  // An answer made for one user must not be served to the next from a shared cache. To the backend
  // the request had an `Authorization`, so that `max-age` alone did not let a shared cache keep it
  // (RFC 9111 §3.5); the browser's request has none.
  if (back.private && (cacheControl === '' || !SHARING_SAID.test(cacheControl)))
    out.push('Cache-Control', 'private')
  return out
}

/** The directives by which a backend itself says whether shared caches may keep its answer. */
const SHARING_SAID = /(^|,)\s*(private|no-store|public|s-maxage\s*=[^,]*)\s*(,|$)/i

/** The first field of this name (lower case) in a raw list. */
export function headerOf(raw: readonly string[], name: string): string | undefined {
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (lowerName(raw[i] ?? '') === name) return raw[i + 1]
  }
  return undefined
}
