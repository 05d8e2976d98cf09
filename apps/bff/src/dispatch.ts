import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { correlationIdFrom } from '@audience-bridge/kit/correlation.ts'
import type { BffConfig } from './config.ts'
import { findPlace } from './place.ts'
import { preflightHeaders } from './proxy/cors.ts'
import { type Exchange, type HowItCame, newExchange } from './proxy/exchange.ts'
import { headFault } from './proxy/head-fault.ts'
import { inTurn } from './proxy/in-turn.ts'
import { type PipelineDeps, proxy } from './proxy/pipeline.ts'
import { sendProblem } from './proxy/reply.ts'
import { watchClient } from './proxy/slow-clients.ts'
import { answerUpgrade, upgradeFault } from './proxy/upgrade.ts'
import { verify } from './proxy/verify.ts'
import { type SettleDeps, settle } from './settle.ts'

export interface DispatchDeps extends SettleDeps {
  config: () => BffConfig
  pipeline: PipelineDeps
  /** The BFF's own endpoints. */
  own: (req: IncomingMessage, res: ServerResponse) => void
  /** What is known of each request under way. */
  exchanges: WeakMap<IncomingMessage, Exchange>
  /** Connections that end with an answer under way: nothing more of them is read. */
  faulty: WeakSet<object>
}

/** As `dispatch`, for a request that asks its connection to become a WebSocket. */
export function dispatchUpgrade(
  deps: DispatchDeps,
  req: IncomingMessage,
  socket: Socket,
  early: Buffer,
): void {
  const res = answerUpgrade(req, socket, early)
  if (res !== undefined) dispatch(deps, req, res, { upgrade: socket })
}

/**
 * The first look at a request: its path, read once; then ours, the proxy's, or nobody's.
 *
 * @param how it came: over a connection that is to be a WebSocket, or begun by the fast path.
 */
export function dispatch(
  deps: DispatchDeps,
  req: IncomingMessage,
  res: ServerResponse,
  { upgrade, begun }: HowItCame = {},
): void {
  if (deps.faulty.has(req.socket)) return
  const correlationId = begun?.correlationId ?? correlationIdFrom(req.headers['x-correlation-id'])
  // Our own endpoints take the id from here, so that both halves speak of the same request.
  req.headers['x-correlation-id'] = correlationId
  const exchange = newExchange(req, res, deps.config(), correlationId, { upgrade, begun })
  deps.exchanges.set(req, exchange)
  res.once('close', () => settle(deps, exchange))

  if (upgrade === undefined) inTurn(exchange, () => answerAt(deps, exchange))
  else answerAt(deps, exchange)
}

function answerAt(deps: DispatchDeps, exchange: Exchange): void {
  const { req, res } = exchange
  const found = findPlace(exchange)
  watchClient(exchange)
  const fault = headFault(req)
  if (fault !== undefined) {
    // What is read behind it may be its body to whoever sent it.
    deps.faulty.add(req.socket)
    res.shouldKeepAlive = false
    if (found.kind !== 'refused') return sendProblem(exchange, 'BAD_REQUEST', fault)
  }
  const { expect } = req.headers
  if (expect !== undefined && req.httpVersion !== '1.0') {
    if (expect.toLowerCase() !== '100-continue') {
      return sendProblem(
        exchange,
        'EXPECTATION_FAILED',
        'only "Expect: 100-continue" is understood',
      )
    }
    exchange.goOn = continuation(res)
  }
  switch (found.kind) {
    case 'refused':
      return sendProblem(exchange, found.code, found.detail, found.more)
    case 'preflight':
      return answerPreflight(exchange)
    case 'verify':
      return finished(deps, exchange, verify(deps.pipeline, exchange))
    case 'own':
      return own(deps, exchange)
    case 'route':
      return finished(deps, exchange, proxy(deps.pipeline, exchange))
  }
}

/**
 * RFC 9110 §10.1.1: the client sends its body once it is asked to. An answer without that ends the
 * connection: whether what comes then is the body or the next request, only the client knows.
 */
function continuation(res: ServerResponse): () => void {
  const { shouldKeepAlive } = res
  res.shouldKeepAlive = false
  return () => {
    res.shouldKeepAlive = shouldKeepAlive
    res.writeContinue()
  }
}

function own(deps: DispatchDeps, exchange: Exchange): void {
  const { req, res, upgrade } = exchange
  const fault = upgrade && upgradeFault(exchange)
  if (fault === undefined) {
    exchange.goOn?.()
    deps.own(req, res)
  } else sendProblem(exchange, fault.code, fault.detail, fault.more)
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
