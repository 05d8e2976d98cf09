import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { readTarget } from '@audience-bridge/chain/request-path.ts'
import { RESERVED_PREFIXES } from '@audience-bridge/chain/route-path.ts'
import type { Clock } from '@audience-bridge/kit/clock.ts'
import { correlationIdFrom } from '@audience-bridge/kit/correlation.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import type { Outbox } from '@audience-bridge/outbox/outbox.ts'
import type { BffConfig } from './config.ts'
import { Logins } from './login/logins.ts'
import { account } from './proxy/account.ts'
import { isPreflight, preflightHeaders } from './proxy/cors.ts'
import { type Exchange, newExchange } from './proxy/exchange.ts'
import { type PipelineDeps, proxy, sendProblem } from './proxy/pipeline.ts'
import { Upstreams } from './proxy/upstream.ts'
import { buildRoutes } from './routes/routes.ts'
import { Sessions } from './session/sessions.ts'
import type { SessionStore } from './session/store.ts'
import type { UserAssertion } from './tokens/assertion.ts'
import { BearerVerifiers } from './tokens/bearer.ts'
import { TokenBroker } from './tokens/broker.ts'
import { GrantKeeper } from './tokens/grant.ts'
import { Idp } from './tokens/idp.ts'
import { createInspector } from './tokens/inspect.ts'

export interface BffDeps {
  config: () => BffConfig
  store: SessionStore
  storeKey: Buffer
  clientSecret: string
  /** Undefined: no administrator's token. */
  adminToken: string | undefined
  assertion: UserAssertion
  /** Undefined: events go nowhere. */
  outbox: Outbox | undefined
  /** The console's build; undefined: none is served. */
  consoleDirectory: string | undefined
  clock: Clock
  log: Logger
}

/** How many expired rows of each kind one sweep deletes at most, and how often it runs. */
const SWEEP = { limit: 500, everyMs: 30_000 }

/** Builds the BFF; the caller listens on `server` and calls `close` when it stops. */
export async function buildBff(
  deps: BffDeps,
): Promise<{ server: Server; close: () => Promise<void> }> {
  const { clock, log, store, storeKey } = deps
  const { auth } = deps.config().bridge.settings
  const idp = new Idp({
    issuer: auth.issuer,
    clientId: auth.client_id,
    clientSecret: deps.clientSecret,
    authMethod: auth.token_endpoint_auth_method,
    timeoutSeconds: auth.idp_timeout_seconds,
    clockToleranceSeconds: auth.clock_tolerance_seconds,
  })
  const sessions = new Sessions({
    store,
    storeKey,
    clock,
    limits: () => {
      const { idle_seconds, absolute_seconds } = deps.config().bridge.settings.session
      return { idleSeconds: idle_seconds, absoluteSeconds: absolute_seconds }
    },
  })
  const broker = new TokenBroker({
    idp,
    grants: new GrantKeeper({ idp, sessions, clock }),
    sessions,
    inspect: createInspector(idp),
    clock,
    maxSeconds: () => deps.config().bridge.settings.auth.service_token_seconds,
  })
  const upstreams = new Upstreams()
  const pipelineDeps: PipelineDeps = {
    sessions,
    broker,
    bearers: new BearerVerifiers(idp.settings),
    assertion: deps.assertion,
    upstreams,
    now: clock,
    log,
  }
  const background = new Set<Promise<unknown>>()
  const app = await buildRoutes(
    {
      config: deps.config,
      sessions,
      logins: new Logins({ store, storeKey, clock }),
      broker,
      idp,
      assertion: deps.assertion,
      adminTokenHash:
        deps.adminToken === undefined
          ? undefined
          : createHash('sha256').update(deps.adminToken).digest(),
      clock,
      log,
      background: (work) => {
        const tracked: Promise<unknown> = work
          .catch((cause: unknown) => log.error({ err: cause }, 'background work failed'))
          .finally(() => background.delete(tracked))
        background.add(tracked)
      },
    },
    deps.consoleDirectory,
    (own) => createServer((req, res) => dispatch(deps, pipelineDeps, own, req, res)),
  )
  await app.ready()

  const sweep = setInterval(() => {
    const { idle_seconds } = deps.config().bridge.settings.session
    store.deleteExpired(clock(), idle_seconds, SWEEP.limit).catch((cause: unknown) => {
      log.warn({ err: cause }, 'expired sessions could not be deleted')
    })
  }, SWEEP.everyMs)
  sweep.unref()

  return {
    server: app.server as Server,
    close: async () => {
      clearInterval(sweep)
      await closeServer(app.server as Server)
      await app.close()
      await Promise.all(background)
      await upstreams.close()
      await deps.outbox?.close()
      await store.close()
    },
  }
}

/** Stops accepting and waits for the requests under way; idle connections end at once. */
function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })
}

type Handler = (req: IncomingMessage, res: ServerResponse) => void

/** The first look at a request: its path, read once; then ours, the proxy's, or nobody's. */
function dispatch(
  deps: BffDeps,
  pipelineDeps: PipelineDeps,
  own: Handler,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  const config = deps.config()
  const correlationId = correlationIdFrom(req.headers['x-correlation-id'])
  // Our own endpoints take the id from here, so that both halves speak of the same request.
  req.headers['x-correlation-id'] = correlationId
  const exchange = newExchange(req, res, config, correlationId)
  res.once('close', () => account(deps.log, deps.outbox, exchange))

  const target = readTarget(req.url ?? '')
  if (target.kind === 'refused') {
    exchange.path = '(refused)'
    return sendProblem(exchange, 'PATH_AMBIGUOUS', `${target.reason}; send one plain path`)
  }
  exchange.path = target.path
  exchange.query = target.query
  if (isPreflight(exchange.method, req.headers)) return answerPreflight(exchange)
  if (isReserved(target.path)) return own(req, res)

  const match = config.bridge.table.match(target.path, exchange.method)
  switch (match.kind) {
    case 'route':
      exchange.route = match.route
      exchange.captures = match.captures
      proxy(pipelineDeps, exchange).catch((cause: unknown) => {
        deps.log.error({ err: cause, correlation_id: correlationId }, 'request failed')
        sendProblem(exchange, 'INTERNAL', 'something went wrong here')
      })
      return
    case 'method_not_allowed':
      return sendProblem(
        exchange,
        'METHOD_NOT_ALLOWED',
        `this path takes ${match.allow.join(', ')}`,
        {
          headers: { Allow: match.allow.join(', ') },
        },
      )
    case 'not_found':
      if (target.path === '/api' || target.path.startsWith('/api/')) {
        return sendProblem(exchange, 'ROUTE_NOT_FOUND', 'no route of routes.yaml matches this path')
      }
      return own(req, res)
  }
}

/** Browsers send preflights without a cookie: they are answered before any session is asked for. */
function answerPreflight(exchange: Exchange): void {
  const { origin } = exchange.req.headers
  if (origin === undefined || !exchange.config.trustedOrigins.has(origin)) {
    return sendProblem(exchange, 'ORIGIN_FORBIDDEN', 'this origin is not in cors.allow_origins')
  }
  exchange.res.writeHead(204, {
    ...preflightHeaders(origin),
    'X-Correlation-ID': exchange.correlationId,
  })
  exchange.res.end()
}

function isReserved(path: string): boolean {
  return RESERVED_PREFIXES.some(
    (prefix) =>
      path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/'),
  )
}
