import type { CookiePolicy } from '../session/cookie.ts'
import { isOurCookie } from '../session/cookie.ts'

/**
 * What of a head passes the gateway, in each direction. Pure functions over raw header lists
 * (`[name, value, name, value, …]`), so that repeated fields stay as they came.
 */

/** RFC 9110 §7.6.1, and what is said to one hop only. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * Never forwarded from a browser: credentials that are ours, and everything by which a backend
 * might be told who the user is. A backend that trusts such a header would believe the attacker.
 */
const NEVER_FORWARDED = new Set([
  'authorization',
  'cookie',
  'dpop',
  'expect',
  'host',
  'content-length',
  // Ours to continue.
  'traceparent',
  'tracestate',
  'x-correlation-id',
  'x-csrf-token',
  'x-remote-user',
])
const IDENTITY_PREFIXES = [
  'x-user',
  'x-original-',
  'x-auth',
  'x-apigateway-',
  'x-consumer-',
  'x-pomerium-',
  'x-vouch-',
  'x-envoy-',
  // The secret of the proxy in front, and what it asks with it.
  'x-edge-',
  'x-jwt',
  'x-id-token',
  'x-identity',
  'x-account',
  'x-role',
  'x-group',
  'x-scope',
  'x-sub',
  'x-tenant',
  'x-org',
  'x-client-',
  'impersonate-',
  'oidc-',
  'ssl-client-',
  'x-session-',
  'x-forwarded-',
  'x-real-ip',
  'x-ssl-client-',
  'x-webauth-',
  'remote-',
  'forwarded',
  // What the identity proxies of the large clouds and networks assert.
  'x-amzn-oidc-',
  'x-ms-client-principal',
  'x-ms-token-',
  'x-goog-authenticated-',
  'x-goog-iap-',
  'cf-access-',
  'tailscale-user-',
]
const IDENTITY_NAMES = new Set([
  'x-access-token',
  'x-email',
  'x-roles',
  'x-groups',
  'x-principal',
  'x-tenant-id',
  'x-client-ip',
  'x-cluster-client-ip',
  'true-client-ip',
  'cf-connecting-ip',
])
/** A backend that honours them does another method or path than the one that was authorised. */
const OVERRIDES = new Set([
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-rewrite-url',
])

/** What is known of header names that have come by; there are few, and each comes again and again. */
interface NameSeen {
  lower: string
  /** Whether a browser's field of this name may reach a backend. */
  passes: boolean
}
const NAMES = new Map<string, NameSeen>()
/** Beyond so many, names are an attacker's inventions and not worth their memory. */
const MAX_NAMES = 1000

function nameSeen(name: string): NameSeen {
  const known = NAMES.get(name)
  if (known !== undefined) return known
  const lower = name.toLowerCase()
  const seen = { lower, passes: passesToBackend(lower) }
  if (NAMES.size < MAX_NAMES && name.length <= 64) NAMES.set(name, seen)
  return seen
}

/** A header's name in lower case. */
export const lowerName = (name: string) => nameSeen(name).lower

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
}

/** The head for the backend from the browser's head. */
export function forwardHeaders(raw: readonly string[], forward: ForwardHead): string[] {
  const nominated = nominatedBy(raw)
  const out: string[] = []
  let forwardedFor = ''
  let forwardedProto: string | undefined
  let forwardedHost: string | undefined
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const value = raw[i + 1] ?? ''
    const { lower, passes } = nameSeen(name)
    if (forward.client.trusted) {
      if (lower === 'x-forwarded-for')
        forwardedFor = forwardedFor === '' ? value : `${forwardedFor}, ${value}`
      else if (lower === 'x-forwarded-proto') forwardedProto = value
      else if (lower === 'x-forwarded-host') forwardedHost = value
    }
    // Only after our own: a client's `Connection: x-correlation-id` must not remove what we add.
    if (!passes || nominated?.has(lower)) continue
    out.push(name, value)
  }
  const { client } = forward
  out.push(
    'X-Forwarded-For',
    forwardedFor === '' ? client.address : `${forwardedFor}, ${client.address}`,
  )
  out.push('X-Forwarded-Proto', forwardedProto ?? client.proto)
  out.push('X-Forwarded-Host', forwardedHost ?? client.host)
  out.push('X-Correlation-ID', forward.correlationId)
  if (forward.authorization !== undefined) out.push('Authorization', forward.authorization)
  if (forward.dpop !== undefined) out.push('DPoP', forward.dpop)
  if (forward.userAssertion !== undefined) out.push('X-User-Assertion', forward.userAssertion)
  return out
}

function passesToBackend(lower: string): boolean {
  // CGI and WSGI servers read `X_User_Id` as `X-User-Id`: judge the name that they would see.
  const name = lower.includes('_') ? lower.replaceAll('_', '-') : lower
  if (HOP_BY_HOP.has(name) || NEVER_FORWARDED.has(name) || IDENTITY_NAMES.has(name)) return false
  if (OVERRIDES.has(name)) return false
  return !IDENTITY_PREFIXES.some((prefix) => name.startsWith(prefix))
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

const ORIGIN_WIDE = new Set([
  'alt-svc',
  // It would tell the browser to forget our own cookies and storage.
  'clear-site-data',
  'service-worker-allowed',
  'strict-transport-security',
])

/** By which a backend reports the scope that a call needed; for our events, not for the browser. */
export const REQUIRED_SCOPE_HEADER = 'x-required-scope'

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
    const lower = lowerName(name)
    if (HOP_BY_HOP.has(lower) || nominated?.has(lower)) continue
    // Which origins may read an answer is the gateway's to say; a backend's `*` would open it.
    if (lower.startsWith('access-control-')) continue
    // A backend that sets our cookie could fix or steal the session.
    if (lower === 'set-cookie' && back.cookies.some((policy) => isOurCookie(value, policy)))
      continue
    // What a backend says of the whole origin is the gateway's to say: HSTS, other ports, and a
    // service worker that would see every request of every page.
    if (ORIGIN_WIDE.has(lower) || lower === 'x-correlation-id') continue
    // The nonce is for our proofs, the scope for our events.
    if (lower === REQUIRED_SCOPE_HEADER || lower === 'dpop-nonce') continue
    if (lower === 'location' || lower === 'content-location') {
      const rewritten = back.location(value)
      if (rewritten !== undefined) out.push(name, rewritten)
      continue
    }
    if (lower === 'cache-control') cacheControl += `,${value}`
    out.push(name, value)
  }
  // An answer made for one user must not be served to the next from a shared cache. To the backend
  // the request had an `Authorization`, so that `max-age` alone did not let a shared cache keep it
  // (RFC 9111 §3.5); the browser's request has none.
  // A backend's HTML would run in our origin, with every user's session at hand: whoever breaks one
  // backend would have them all. It is shown without scripts and without the origin.
  if (!back.pages)
    out.push('Content-Security-Policy', 'sandbox', 'X-Content-Type-Options', 'nosniff')
  if (back.private && !SHARING_SAID.test(cacheControl)) out.push('Cache-Control', 'private')
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
