import { isToken } from './letters.ts'

/** What a field's name alone decides, in each direction. */

/** RFC 9110 §7.6.1, and what is said to one hop only. */
const HOP_BY_HOP = new Set([
  'connection',
  // HTTP/2 forbids it: one client's field would end the connection that all share.
  'http2-settings',
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
  'max-forwards',
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

/** By which a backend would speak for the whole origin. */
const ORIGIN_WIDE = new Set([
  'alt-svc',
  // It would tell the browser to forget our own cookies and storage.
  'clear-site-data',
  'service-worker-allowed',
  'strict-transport-security',
])

const LOOKED_AT = new Set(['set-cookie', 'cache-control', 'location', 'content-location'])

/** By which a backend reports the scope that a call needed; for our events, not for the browser. */
export const REQUIRED_SCOPE_HEADER = 'x-required-scope'

/** What is known of header names that have come by; there are few, and each comes again and again. */
export interface NameSeen {
  /** As it came, as a string of its own: what comes off the wire is a slice of all that came. */
  name: string
  lower: string
  /** A name by RFC 9110 §5.6.2. */
  isToken: boolean
  /** Whether a browser's field of this name may reach a backend. */
  passes: boolean
  /** Whether a backend's field of this name reaches the browser, or what must be looked at first. */
  returns: 'always' | 'never' | 'perhaps'
}
const NAMES = new Map<string, NameSeen>()
/** Beyond so many, most are an attacker's inventions: all are forgotten, and the real ones come again. */
const MAX_NAMES = 1000

export function nameSeen(slice: string): NameSeen {
  const known = NAMES.get(slice)
  if (known !== undefined) return known
  const name = Buffer.from(slice, 'latin1').toString('latin1')
  const lower = name.toLowerCase()
  const seen = {
    name,
    lower,
    isToken: isToken(name),
    passes: passesToBackend(lower),
    returns: returnsToBrowser(lower),
  }
  if (name.length > 64) return seen
  if (NAMES.size >= MAX_NAMES) NAMES.clear()
  NAMES.set(name, seen)
  return seen
}

/** A header's name in lower case. */
export const lowerName = (name: string) => nameSeen(name).lower

function passesToBackend(lower: string): boolean {
  // CGI and WSGI servers read `X_User_Id` as `X-User-Id`: judge the name that they would see.
  const name = lower.includes('_') ? lower.replaceAll('_', '-') : lower
  if (HOP_BY_HOP.has(name) || NEVER_FORWARDED.has(name) || IDENTITY_NAMES.has(name)) return false
  if (OVERRIDES.has(name)) return false
  return !IDENTITY_PREFIXES.some((prefix) => name.startsWith(prefix))
}

function returnsToBrowser(lower: string): NameSeen['returns'] {
  if (HOP_BY_HOP.has(lower)) return 'never'
  // Which origins may read an answer is the gateway's to say; a backend's `*` would open it.
  if (lower.startsWith('access-control-')) return 'never'
  // What a backend says of the whole origin is the gateway's to say: HSTS, other ports, and a
  // service worker that would see every request of every page.
  if (ORIGIN_WIDE.has(lower) || lower === 'x-correlation-id') return 'never'
  // The nonce is for our proofs, the scope for our events.
  if (lower === REQUIRED_SCOPE_HEADER || lower === 'dpop-nonce') return 'never'
  return LOOKED_AT.has(lower) ? 'perhaps' : 'always'
}
