import type { Socket } from 'node:net'
import { correlationIdFrom } from '@audience-bridge/kit/correlation.ts'
import type { BffConfig } from '../config.ts'
import { findPlace } from '../place.ts'
import { type AskDeps, groupOf } from '../proxy/ask.ts'
import { type AuthorizeDeps, authorizeAtOnce, type Credentials } from '../proxy/authorize.ts'
import { saysTooMuch } from '../proxy/body.ts'
import type { Callers } from '../proxy/callers.ts'
import { type AnswerSeen, newPassage, type Passage } from '../proxy/exchange.ts'
import { destination, question } from '../proxy/forward.ts'
import { takeRate } from '../proxy/rate.ts'
import type { Turn } from '../upstreams/turn.ts'
import type { Question } from './backend-connection.ts'
import { fieldLines } from './field-lines.ts'
import type { SimpleRequest } from './request-head.ts'

export interface AdmitDeps extends AuthorizeDeps, AskDeps {
  callers: Callers
}

/** A request that the fast path takes. */
export interface Admitted {
  passage: Passage & { res: Answer }
  credentials: Credentials
  base: URL
  /** Where there was something to decide about the service's upstreams. */
  turn: Turn | undefined
  question: Question
  /** To be called when the request is over. */
  leave: () => void
}

/** Whose requests say that they have no content (RFC 9110 §8.6). */
const EXPECT_CONTENT = new Set(['POST', 'PUT', 'PATCH'])

/** What became of the answer, so far. */
export type Answer = { -readonly [key in keyof AnswerSeen]: AnswerSeen[key] }

/**
 * Judges a simple request, by the very functions of the other path. Undefined: the gateway itself
 * has to answer it, or to wait for somebody first; the HTTP server then judges it anew.
 */
export function admit(
  deps: AdmitDeps,
  config: BffConfig,
  request: SimpleRequest,
  socket: Socket,
  body: Buffer | undefined,
): Admitted | undefined {
  const { method, target, fields } = request
  const { headers, rawHeaders } = fields
  const correlationId = correlationIdFrom(headers['x-correlation-id'])
  const req = { method, url: target, headers, rawHeaders, socket }
  const res: Answer = { statusCode: 200, headersSent: false, writableFinished: false }
  const startedAt = performance.now()
  const passage = newPassage(req, res, config, correlationId, startedAt)
  if (findPlace(passage).kind !== 'route') return undefined
  const credentials = authorizeAtOnce(deps, passage)
  if (credentials === undefined) return undefined
  passage.decisionMs = performance.now() - startedAt
  const to = destination(passage)
  if (to === undefined || to.base.protocol !== 'http:' || to.reach.http2) return undefined
  if (saysTooMuch(passage)) return undefined
  const leaveCaller = deps.callers.enter(passage.session?.ticket.id ?? socket.remoteAddress ?? '')
  if (leaveCaller === undefined) return undefined
  const group = groupOf(deps, passage)
  const slots = group?.rules.slots && group.slots
  const mustWait = slots?.tryTake() === false
  const turn = mustWait ? undefined : group?.take(startedAt)
  const leave = () => {
    turn?.leave()
    if (!mustWait) slots?.give()
    leaveCaller()
  }
  // Last: the HTTP server counts what is declined here.
  if (mustWait || (group !== undefined && turn === undefined) || !takeRate(deps, passage)) {
    leave()
    return undefined
  }
  const base = turn?.endpoint.base ?? to.base
  const { path, own, connectTimeoutMs, headTimeoutMs, pauseTimeoutMs } = question(
    passage,
    to,
    credentials,
    fields.passing,
  )
  let head = `${method} ${path} HTTP/1.1\r\nHost: ${base.host}\r\nConnection: keep-alive\r\n`
  head += fields.passingText + fieldLines(own)
  const length = body?.length ?? (EXPECT_CONTENT.has(method) ? 0 : undefined)
  if (length !== undefined) head += `Content-Length: ${length}\r\n`
  return {
    passage,
    credentials,
    base,
    turn,
    question: {
      method,
      head: `${head}\r\n`,
      body,
      connectMs: connectTimeoutMs,
      headMs: headTimeoutMs,
      pauseMs: pauseTimeoutMs,
    },
    leave,
  }
}
