import type { ProblemCode } from '@audience-bridge/contracts/problem.ts'

/** Problems that are counted as `bff_security_events_total`. */
export const SECURITY_EVENTS: Partial<
  Record<ProblemCode, { event_type: string; severity: Severity }>
> = {
  PATH_AMBIGUOUS: { event_type: 'path_ambiguous', severity: 'medium' },
  HOST_UNKNOWN: { event_type: 'host_unknown', severity: 'low' },
  CSRF_REJECTED: { event_type: 'csrf', severity: 'medium' },
  ORIGIN_FORBIDDEN: { event_type: 'origin', severity: 'medium' },
  TOKEN_INVALID: { event_type: 'token_invalid', severity: 'medium' },
  AUDIENCE_MISMATCH: { event_type: 'audience_mismatch', severity: 'medium' },
  LOGIN_STATE_INVALID: { event_type: 'login_state', severity: 'medium' },
  RETURN_TO_REFUSED: { event_type: 'return_to', severity: 'medium' },
  RATE_LIMITED: { event_type: 'rate_limit', severity: 'low' },
}
/** Somebody asks for tokens as if they were our proxy. */
export const EDGE_UNTRUSTED = { event_type: 'edge_untrusted', severity: 'high' }
type Severity = 'low' | 'medium' | 'high'
