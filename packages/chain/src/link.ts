import type { Place } from './fault.ts'
import type { Patch } from './patch.ts'

export type LinkName =
  | 'target_service'
  | 'service_audience'
  | 'client'
  | 'client_scopes'
  | 'scope_mapping'
  | 'login_scope'
  | 'service_scopes'
  | 'allowed_audiences'
  // The files' links that lie between processes.
  | 'idp_issuer'
  | 'redirect_uri'
  | 'client_grants'
  | 'cookie'
  | 'backend_audience'
  | 'backend_issuer'
  // What a request showed, in the order in which it meets them.
  | 'edge'
  | 'route'
  | 'origin'
  | 'session'
  | 'csrf'
  | 'rate'
  | 'store'
  | 'idp'
  | 'client_authentication'
  | 'grant'
  | 'token'
  | 'upstream'
  | 'backend'

/** What one link says. `unknown`: nobody here can know, for example without the IdP's files. */
export type LinkResult =
  | { link: LinkName; state: 'holds'; evidence: string }
  | { link: LinkName; state: 'unknown'; why: string }
  | BrokenLink

export interface BrokenLink {
  link: LinkName
  state: 'broken'
  /** Stable name of the fault. */
  code: string
  found: string
  expected: string
  /** Where to change it; only when that file was read. */
  at: Place | undefined
  mend: string
  /** The mend, ready to be applied; absent where none can exist. */
  patch?: Patch | undefined
}
