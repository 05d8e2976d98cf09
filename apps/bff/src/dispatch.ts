import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { readTarget } from '@audience-bridge/chain/request-path.ts'
import { RESERVED_PREFIXES } from '@audience-bridge/chain/route-path.ts'
import { correlationIdFrom } from '@audience-bridge/kit/correlation.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import type { Outbox } from '@audience-bridge/outbox/outbox.ts'
import type { BffConfig } from './config.ts'
import { observe } from './explain/observe.ts'
import type { TraceStore } from './explain/trace-store.ts'
import type { Metrics } from './metrics.ts'
import { account } from './proxy/account.ts'
import type { Allowance } from './proxy/allowance.ts'
import { isPreflight, preflightHeaders } from './proxy/cors.ts'
import { type Exchange, newExchange } from './proxy/exchange.ts'
import { matchRoute } from './proxy/match.ts'
import { isForeign, isOfOtherSite } from './proxy/origin.ts'
import { type PipelineDeps, proxy } from './proxy/pipeline.ts'
import { sendProblem } from './proxy/reply.ts'
import { answerUpgrade, upgradeFault } from './proxy/upgrade.ts'
import { verify } from './proxy/verify.ts'

export interface DispatchDeps {
  config: () => BffConfig
  log: Logger
  outbox: Outbox | undefined
  anonymousEvents: Allowance
  traces: TraceStore
  metrics: Metrics
  pipeline: PipelineDeps
  /** The BFF's own endpoints. */
  own: (req: IncomingMessage, res: ServerResponse) => void
  /** What is known of each request under way. */
  exchanges: WeakMap<IncomingMessage, Exchange>
}

/** As `dispatch`, for a request that asks its connection to become a WebSocket. */
export function dispatchUpgrade(
  deps: DispatchDeps,
  req: IncomingMessage,
  socket: Socket,
  early: Buffer,
): void {
  const res = answerUpgrade(req, socket, early)
  if (res !== undefined) dispatch(deps, req, res, socket)
}

/** The first look at a request: its path, read once; then ours, the proxy's, or nobody's. */
export function dispatch(
  deps: DispatchDeps,
  req: IncomingMessage,
  res: ServerResponse,
  upgrade?: Socket,
): void {
  const config = deps.config()
  const correlationId = correlationIdFrom(req.headers['x-correlation-id'])
  // Our own endpoints take the id from here, so that both halves speak of the same request.
  req.headers['x-correlation-id'] = correlationId
  const { frontends, isTrustedProxy } = config
  const frontend = frontends.of(req, () => isTrustedProxy(req.socket.remoteAddress ?? ''))
  const exchange = newExchange(
    req,
    res,
    config,
    frontend ?? frontends.first,
    correlationId,
    upgrade,
  )
  const own = () => {
    const fault = upgrade && upgradeFault(exchange)
    if (fault === undefined) deps.own(req, res)
    else sendProblem(exchange, fault.code, fault.detail, fault.more)
  }
  deps.exchanges.set(req, exchange)
  res.once('close', () => {
    const told = exchange.subject !== undefined || deps.anonymousEvents.take()
    account(deps.log, told ? deps.outbox : undefined, exchange)
    deps.metrics.request(exchange, performance.now() - exchange.startedAt)
    // Our own pages and health checks are worth explaining only when they fail.
    if (exchange.route !== undefined || exchange.problem !== undefined) {
      deps.traces.record(observe(exchange, res.statusCode))
    }
  })

  const target = readTarget(req.url ?? '')
  if (target.kind === 'refused') {
    exchange.path = '(refused)'
    return sendProblem(exchange, 'PATH_AMBIGUOUS', `${target.reason}; send one plain path`)
  }
  exchange.path = target.path
  exchange.query = target.query
  // Whoever reads the path after us reads what we read: `/%61dmin` is `/admin` to every rule.
  req.url = target.path + target.query
  const alive = target.path === '/health' || target.path.startsWith('/health/')
  if (frontend === undefined && !alive) {
    return sendProblem(exchange, 'HOST_UNKNOWN', 'no frontend has the host that was called')
  }
  // Asked by a proxy, about a request to whatever stands behind it: its `Origin` is judged there.
  if (target.path === '/auth/verify' || target.path === '/auth/forward') {
    return finished(deps, exchange, verify(deps.pipeline, exchange))
  }
  if (isForeign(exchange)) {
    return sendProblem(
      exchange,
      'ORIGIN_FORBIDDEN',
      'the origin of the page is not in cors.allow_origins of this frontend',
    )
  }
  if (isPreflight(exchange.method, req.headers)) return answerPreflight(exchange)
  const reserved = isReserved(target.path)
  const missing = reserved ? undefined : matchRoute(exchange)
  const bySession = exchange.route?.route.auth === 'session'
  if ((bySession || (reserved && !alive)) && isOfOtherSite(exchange)) {
    return sendProblem(
      exchange,
      'ORIGIN_FORBIDDEN',
      'the page is on another site, and this frontend keeps its cookie to its own (same_site: lax)',
    )
  }
  if (reserved) return own()
  if (missing === undefined) return finished(deps, exchange, proxy(deps.pipeline, exchange))
  // A route that covers `/api/v1/health` has it; without one it is ours.
  const health = target.path === '/api/v1/health' || target.path.startsWith('/api/v1/health/')
  const api = !health && (target.path === '/api' || target.path.startsWith('/api/'))
  if (missing.code === 'ROUTE_NOT_FOUND' && !api) return own()
  sendProblem(exchange, missing.code, missing.detail, missing.more)
}

function finished({ log }: DispatchDeps, exchange: Exchange, work: Promise<void>): void {
  work.catch((cause: unknown) => {
    log.error({ err: cause, correlation_id: exchange.correlationId }, 'request failed')
    sendProblem(exchange, 'INTERNAL', 'something went wrong here')
  })
}

/** Browsers send preflights without a cookie: they are answered before any session is asked for. */
function answerPreflight({ req, res, correlationId }: Exchange): void {
  res.writeHead(204, {
    ...preflightHeaders(req.headers.origin ?? ''),
    'X-Correlation-ID': correlationId,
  })
  res.end()
}

function isReserved(path: string): boolean {
  return RESERVED_PREFIXES.some(
    (prefix) =>
      path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/'),
  )
}
