/**
 * What a gateway saw of one request: enough to explain it afterwards, and never a token, a cookie or
 * a secret. Snake case, for it travels as JSON.
 */
export interface Observation {
  /** The correlation id. */
  id: string
  /** RFC 3339. */
  at: string
  /** Which process saw it. */
  node: string
  method: string
  /** Without the query: queries carry secrets. */
  path: string
  status: number
  /** Milliseconds from the first byte to the last. */
  elapsed_ms: number
  /** The problem's code, when the gateway itself refused or failed. */
  problem?: string
  config_version: string
  route?: string
  service?: string
  /** The frontend whose host was called. */
  frontend?: string
  origin?: OriginSeen
  session?: SessionSeen
  /** Why the request did not prove that our page sent it. */
  csrf_fault?: string
  /** The limit on requests that it counted against. */
  rate?: { per: 'session' | 'address' | 'sign_in'; refused: boolean; policy: string }
  /** A proxy asked for it, to carry the request itself; or why who asked is none that may. */
  edge?: { fault?: string }
  /** The session store did not answer. */
  store_fault?: string
  token?: TokenSeen
  /** Of the caller's trace (W3C Trace Context). */
  trace_id?: string
  upstream?: UpstreamSeen
}

export interface OriginSeen {
  /** Absent: the request named none where one is needed. */
  origin?: string
  allowed: boolean
  /** Its pages are allowed, and on another site than a frontend whose cookie is SameSite=Lax. */
  other_site?: boolean
}

export interface SessionSeen {
  /** `elsewhere`: it lives on, and this caller may not use it. */
  state: 'live' | 'none' | 'ended' | 'elsewhere'
  /** Why it ended, where that is known. */
  ended?: string
  /** By what the caller differs from whoever began the session. */
  binding_fault?: 'user_agent' | 'network'
  subject?: string
  /** The IdP that the user signed in at. */
  issuer?: string
  age_seconds?: number
  /** What the login was granted. */
  granted_scopes?: readonly string[]
  /** The user has been given more roles since the login. */
  raised?: boolean
  /** What the login asked for. */
  requested_scopes?: readonly string[]
}

export interface TokenSeen {
  /** `kept`: from an earlier request; `minted`: for this one; `none`: there was none to send. */
  source: 'kept' | 'minted' | 'presented' | 'none'
  mint?: string
  requested_audience?: string
  requested_scopes?: readonly string[]
  age_seconds?: number
  expires_in_seconds?: number
  /** Configuration under which it was minted. */
  config_version?: string
  issued_audiences?: readonly string[]
  issued_scopes?: readonly string[]
  /** The token endpoint's refusal. */
  idp_error?: string
  idp_description?: string
  /** The IdP did not answer. */
  idp_away?: string
  /** Why a token that was issued was not kept. */
  unfit?: { code: string; found: string; expected: string }
  /** Seconds by which the IdP's clock is ahead (negative: behind), when it matters. */
  clock_ahead_seconds?: number
  /** Login again, with what the configuration asks for now, would help. */
  reauthorize?: boolean
}

export interface UpstreamSeen {
  base_url: string
  /** Sent more than once: a first answer was 401. */
  attempts: number
  status?: number
  /** `suspended`, `full`: it was not asked. */
  failure?: 'refused' | 'timeout' | 'tls' | 'invalid' | 'suspended' | 'full'
  reason?: string
  /** Its `WWW-Authenticate`. */
  challenge?: string
  /** The scope that it says this call needed. */
  required_scope?: string
  /** `error` and `scope` of a Bearer challenge, and our resource server's `reason`. */
  challenge_error?: string
  challenge_scope?: string
  challenge_reason?: string
  /** What it says of itself (RFC 9728), read when it refused our token. */
  resource?: string
  authorization_servers?: readonly string[]
  /** Seconds by which its clock is ahead, by its `Date`. */
  clock_ahead_seconds?: number
}
