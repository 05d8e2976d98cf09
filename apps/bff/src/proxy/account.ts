import { ACCESS_EVENT, DECISION_EVENT } from '@audience-bridge/contracts/event.ts'
import { type Logger, writeLine } from '@audience-bridge/kit/log.ts'
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
  writeLine(log, accessLine(exchange, elapsedMs))
  const service = route?.route.target_service
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

/** The fields of the access line; what a caller wrote himself is quoted. */
function accessLine(exchange: Passage, elapsedMs: number): string {
  const { res, route, trace, tokenFound, problem, sessionEnded } = exchange
  const { target_service: service, id } = route?.route ?? {}
  const method = quoted(exchange.method)
  const path = quoted(exchange.path)
  const found = tokenFound ? 'True' : 'False'
  let line = `"correlation_id":"${exchange.correlationId}","method":${method},"path":${path}`
  line += `,"status":${res.statusCode},"elapsed_ms":${elapsedMs}`
  if (id !== undefined) line += `,"route_id":${quoted(id)}`
  if (service !== undefined) line += `,"service":${quoted(service)}`
  if (tokenFound !== undefined) line += `,"token_found":${tokenFound}`
  if (problem !== undefined) line += `,"problem":"${problem}"`
  if (trace !== undefined) line += `,"trace_id":"${trace.traceId}","span_id":"${trace.spanId}"`
  if (!res.writableFinished) line += ',"aborted":true'
  if (sessionEnded !== undefined) line += `,"session_ended":${quoted(sessionEnded)}`
  // The answer is to the proxy that carries the request; what the backend says is in its log.
  if (exchange.edge !== undefined) line += ',"edge":true'
  line += `,"message":"${method.slice(1, -1)} ${path.slice(1, -1)} ${res.statusCode}`
  if (tokenFound !== undefined) line += ` token_found=${found}`
  if (service !== undefined) line += ` service=${quoted(service).slice(1, -1)}`
  return `${line}"`
}

const quoted = (text: string): string => JSON.stringify(text)

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
