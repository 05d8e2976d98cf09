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
  /** What the IdP answered and issued, where the files say that all is well. */
  | 'token'
  /** What the backend answered to the token. */
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
