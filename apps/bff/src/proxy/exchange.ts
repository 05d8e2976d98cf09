import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type {
  Observation,
  OriginSeen,
  SessionSeen,
  TokenSeen,
  UpstreamSeen,
} from '@audience-bridge/chain/observation.ts'
import type { CompiledRoute } from '@audience-bridge/chain/route-table.ts'
import type { ProblemCode } from '@audience-bridge/contracts/problem.ts'
import type { BffConfig } from '../config.ts'
import type { Frontend } from '../frontends.ts'
import type { BindingFault } from '../session/binding.ts'
import type { Session } from '../session/session.ts'
import type { TraceContext } from './trace-context.ts'

/** One request on its way through the gateway, and what became known of it. */
export interface Exchange {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly config: BffConfig
  /** The frontend whose host was called. */
  readonly frontend: Frontend
  readonly correlationId: string
  /** Milliseconds on the monotonic clock. */
  readonly startedAt: number
  /** The request asks about a request: method, path and route are those of the latter, where it is known. */
  verify: boolean
  method: string
  /** The connection that its client asks to be a WebSocket; undefined: a plain request. */
  readonly upgrade: Socket | undefined
  path: string
  query: string
  route: CompiledRoute | undefined
  captures: readonly string[]
  session: Session | undefined
  /** A `Set-Cookie` of our own for the browser. */
  ownCookie: string | undefined
  /** Who called: the session's user or the bearer's subject. */
  subject: string | undefined
  subjectRoles: readonly string[]
  /** Whether a token was there for the service; undefined where none is needed. */
  tokenFound: boolean | undefined
  problem: ProblemCode | undefined
  /** The answer is a stream of events, which has no end of its own. */
  eventStream: boolean
  /** What is seen of each link, for the explanation. */
  sessionState: SessionSeen['state'] | undefined
  sessionEnded: string | undefined
  /** Why this caller may not use the session of its cookie. */
  bindingFault: BindingFault | undefined
  csrfFault: string | undefined
  storeFault: string | undefined
  originSeen: OriginSeen | undefined
  edge: Observation['edge']
  token: TokenSeen | undefined
  /** The caller's trace, where the request belongs to one. */
  trace: TraceContext | undefined
  upstream: UpstreamSeen | undefined
  /** How long it took to know the session, in milliseconds. */
  sessionMs: number
  /** How long it took to decide about access, in milliseconds. */
  decisionMs: number
}

export function newExchange(
  req: IncomingMessage,
  res: ServerResponse,
  config: BffConfig,
  frontend: Frontend,
  correlationId: string,
  upgrade?: Socket,
): Exchange {
  return {
    req,
    res,
    config,
    frontend,
    correlationId,
    startedAt: performance.now(),
    verify: false,
    method: req.method ?? 'GET',
    upgrade,
    path: '',
    query: '',
    route: undefined,
    captures: [],
    session: undefined,
    ownCookie: undefined,
    subject: undefined,
    subjectRoles: [],
    tokenFound: undefined,
    problem: undefined,
    eventStream: false,
    sessionState: undefined,
    sessionEnded: undefined,
    bindingFault: undefined,
    csrfFault: undefined,
    storeFault: undefined,
    originSeen: undefined,
    edge: undefined,
    token: undefined,
    trace: undefined,
    upstream: undefined,
    sessionMs: 0,
    decisionMs: 0,
  }
}

export const isAdmin = (session: Session | undefined) =>
  session?.user.roles.includes('admin') === true
