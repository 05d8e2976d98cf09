import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
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
import type { RateRule } from '../rates.ts'
import type { BindingFault } from '../session/binding.ts'
import type { Session } from '../session/session.ts'
import type { Credentials } from './authorize.ts'
import type { TraceContext } from './trace-context.ts'
import type { UpstreamAnswer } from './upstream.ts'

/** What the steps read of a request; an `IncomingMessage` is one. */
export interface RequestSeen extends Pick<IncomingMessage, 'method' | 'socket' | 'url'> {
  readonly headers: Readonly<IncomingHttpHeaders>
  readonly rawHeaders: readonly string[]
  /** Absent: 1.1. */
  readonly httpVersion?: string
}

/** What became of its answer; a `ServerResponse` is one. */
export type AnswerSeen = Pick<ServerResponse, 'headersSent' | 'statusCode' | 'writableFinished'>

/** What is known of one request on its way through the gateway, whichever way it takes. */
export interface Passage {
  readonly req: RequestSeen
  readonly res: AnswerSeen
  readonly config: BffConfig
  /** The frontend whose host was called. */
  readonly frontend: Frontend
  /** A frontend has the host that was called. */
  readonly hostKnown: boolean
  readonly correlationId: string
  /** Milliseconds on the monotonic clock. */
  readonly startedAt: number
  /** The request asks about a request: method, path and route are those of the latter, where it is known. */
  verify: boolean
  method: string
  path: string
  query: string
  route: CompiledRoute | undefined
  captures: readonly string[]
  session: Session | undefined
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
  /** The limit that the request counts against. */
  rate: RateRule | undefined
  /** What `RateLimits.take` said. */
  rateMs: number
  edge: Observation['edge']
  token: TokenSeen | undefined
  /** The caller's trace, or the one that we record, where the request belongs to one. */
  trace: TraceContext | undefined
  /** Whether `trace` says so; to be asked by `traceOf`. */
  traceKnown: boolean
  upstream: UpstreamSeen | undefined
  /** How long the backend took to answer its head, in milliseconds; 0: it was not asked, or gave none. */
  upstreamMs: number
  /** How long it took to know the session, in milliseconds. */
  sessionMs: number
  /** How long it took to decide about access, in milliseconds. */
  decisionMs: number
}

/** A passage through Node's HTTP server. */
export interface Exchange extends Passage {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** The connection that its client asks to be a WebSocket; undefined: a plain request. */
  readonly upgrade: Socket | undefined
  /** What a backend has answered on the fast path, where that was not the end of it. */
  readonly begun: Begun | undefined
  /** Something of its body has been read: it cannot be sent once more. */
  bodyTaken: boolean
  /** Asks for the body, where the client waits to be asked. */
  goOn: (() => void) | undefined
}

export type HowItCame = { [key in 'upgrade' | 'begun']?: Exchange[key] }

/** A request that the fast path sent and then left to the HTTP server, to be told what came of it. */
export interface Begun {
  correlationId: string
  /** Milliseconds on the monotonic clock. */
  startedAt: number
  /** What it was sent with; the session may have another token by now. */
  credentials: Credentials
  trace: TraceContext | undefined
  sessionEnded: string | undefined
  answer: UpstreamAnswer
  /** Whose answer it is. */
  base: URL
}

export function newExchange(
  req: IncomingMessage,
  res: ServerResponse,
  config: BffConfig,
  correlationId: string,
  { upgrade, begun }: HowItCame = {},
): Exchange {
  const startedAt = begun?.startedAt ?? performance.now()
  const passage = newPassage(req, res, config, correlationId, startedAt)
  const known = {
    trace: begun?.trace,
    traceKnown: begun !== undefined,
    sessionEnded: begun?.sessionEnded,
  }
  return { ...passage, ...known, req, res, upgrade, begun, bodyTaken: false, goOn: undefined }
}

export function newPassage<Res extends AnswerSeen>(
  req: RequestSeen,
  res: Res,
  config: BffConfig,
  correlationId: string,
  startedAt: number,
): Passage & { res: Res } {
  const { frontends, isTrustedProxy } = config
  const frontend = frontends.of(req, () => isTrustedProxy(req.socket.remoteAddress ?? ''))
  return {
    req,
    res,
    config,
    frontend: frontend ?? frontends.first,
    hostKnown: frontend !== undefined,
    correlationId,
    startedAt,
    verify: false,
    method: req.method ?? 'GET',
    path: '',
    query: '',
    route: undefined,
    captures: [],
    session: undefined,
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
    rate: undefined,
    rateMs: 0,
    edge: undefined,
    token: undefined,
    trace: undefined,
    traceKnown: false,
    upstream: undefined,
    upstreamMs: 0,
    sessionMs: 0,
    decisionMs: 0,
  }
}

export const isAdmin = (session: Session | undefined) =>
  session?.user.roles.includes('admin') === true
