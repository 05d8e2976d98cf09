import { ACCESS_EVENT, DECISION_EVENT } from '@audience-bridge/contracts/event.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import type { Outbox } from '@audience-bridge/outbox/outbox.ts'
import type { Passage } from './exchange.ts'

/** Refusals by which the gateway itself denied access, as its decision events name them. */
const DENIALS = new Set([
  'SESSION_REQUIRED',
  'SESSION_EXPIRED',
  'CSRF_REJECTED',
  'ORIGIN_FORBIDDEN',
  'NO_TOKEN_AVAILABLE',
  'AUDIENCE_MISMATCH',
  'TOKEN_REQUIRED',
  'TOKEN_INVALID',
])

/** Nothing was answered, for the caller left before: nginx's number for it; 200 would say too much. */
const CALLER_LEFT = 499

/** Accounts for a finished request: one access line, one access event, one decision event. */
export function account(log: Logger, outbox: Outbox | undefined, exchange: Passage): void {
  const { res, route, method, path, correlationId } = exchange
  const elapsedMs = Math.round((performance.now() - exchange.startedAt) * 1000) / 1000
  const service = route?.route.target_service
  const found =
    exchange.tokenFound === undefined ? undefined : exchange.tokenFound ? 'True' : 'False'
  const aborted = !res.writableFinished
  const fragments =
    (found === undefined ? '' : ` token_found=${found}`) +
    (service === undefined ? '' : ` service=${service}`)
  log.info(
    {
      correlation_id: correlationId,
      method,
      path,
      status: res.statusCode,
      elapsed_ms: elapsedMs,
      route_id: route?.route.id,
      service,
      token_found: exchange.tokenFound,
      problem: exchange.problem,
      ...(exchange.trace === undefined
        ? {}
        : { trace_id: exchange.trace.traceId, span_id: exchange.trace.spanId }),
      ...(aborted ? { aborted } : {}),
      ...(exchange.sessionEnded === undefined ? {} : { session_ended: exchange.sessionEnded }),
      // The answer is to the proxy that carries the request; what the backend says is in its log.
      ...(exchange.edge === undefined ? {} : { edge: true }),
    },
    `${method} ${path} ${res.statusCode}${fragments}`,
  )
  if (outbox === undefined || route === undefined || service === undefined) return
  const who = {
    ...(exchange.subject === undefined ? {} : { subject: exchange.subject }),
    subject_roles: [...exchange.subjectRoles],
  }
  const where = {
    service,
    route_id: route.route.id,
    method,
    path: path.slice(0, 2048),
    correlation_id: correlationId,
  }
  outbox.emit({
    type: ACCESS_EVENT,
    data: {
      ...who,
      ...where,
      ...scopesOf(exchange),
      status: res.headersSent ? res.statusCode : CALLER_LEFT,
      elapsed_ms: elapsedMs,
    },
  })
  const denied = exchange.problem !== undefined && DENIALS.has(exchange.problem)
  outbox.emit({
    type: DECISION_EVENT,
    data: {
      ...who,
      ...where,
      decision: denied ? 'Deny' : 'Allow',
      resource: 'route',
      resource_id: route.route.id,
      action: method,
      latency_ms: exchange.decisionMs,
      ...(exchange.problem === undefined ? {} : { reason: exchange.problem }),
    },
  })
}

/** The evidence for least privilege: what the call needed, and what its token carried. */
function scopesOf({ upstream, token }: Passage): {
  required_scope?: string
  token_scopes?: string
  scope_refused?: boolean
} {
  return {
    ...(upstream?.required_scope ? { required_scope: upstream.required_scope } : {}),
    ...(token?.issued_scopes?.length ? { token_scopes: token.issued_scopes.join(' ') } : {}),
    ...(upstream?.challenge_error === 'insufficient_scope' ? { scope_refused: true } : {}),
  }
}
