import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '@audience-bridge/kit/clock.ts'
import type { Live } from '@audience-bridge/kit/live.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import type { Outbox } from '@audience-bridge/outbox/outbox.ts'
import type { Registry } from 'prom-client'
import type { BffConfig } from './config.ts'
import { dispatch, dispatchUpgrade } from './dispatch.ts'
import type { TraceStore } from './explain/trace-store.ts'
import { FrontServer } from './fast/front-server.ts'
import { SecureFront } from './front/secure-front.ts'
import { Logins } from './login/logins.ts'
import { createMetrics } from './metrics.ts'
import { Allowance } from './proxy/allowance.ts'
import { Callers } from './proxy/callers.ts'
import type { Exchange } from './proxy/exchange.ts'
import { checkHealth } from './proxy/health-check.ts'
import type { PipelineDeps } from './proxy/pipeline.ts'
import { takeSignIn } from './proxy/rate.ts'
import { RateLimits } from './proxy/rate-limits.ts'
import { RateSharing } from './proxy/rate-sharing.ts'
import { readMetadata } from './proxy/rejection.ts'
import { asksForWebSocket } from './proxy/upgrade.ts'
import { Upstreams } from './proxy/upstream.ts'
import { reachTo } from './reach.ts'
import { buildRoutes } from './routes/routes.ts'
import { SessionBindings } from './session/binding.ts'
import { Channels } from './session/channels.ts'
import { SessionDirectory } from './session/directory.ts'
import { Sessions } from './session/sessions.ts'
import type { SessionStore } from './session/store.ts'
import { guardStore } from './session/store-guard.ts'
import { sweepExpired } from './session/sweep.ts'
import type { StoreKeys } from './session/ticket.ts'
import { Telemetry } from './telemetry/telemetry.ts'
import { renewAhead } from './tokens/ahead.ts'
import { createUserAssertion } from './tokens/assertion.ts'
import { followBearers } from './tokens/bearer.ts'
import { TokenBroker } from './tokens/broker.ts'
import { principalIn } from './tokens/claims.ts'
import { Connections } from './tokens/connection.ts'
import { DpopProofs } from './tokens/dpop.ts'
import { GrantKeeper } from './tokens/grant.ts'
import type { Idp } from './tokens/idp.ts'
import { openKeyRings } from './tokens/key-rings.ts'
import { Leases } from './tokens/lease.ts'
import { Revocations } from './tokens/revocations.ts'
import { Groups } from './upstreams/groups.ts'
import { watchHealth } from './upstreams/health.ts'

export interface BffDeps {
  config: () => BffConfig
  store: SessionStore
  storeKeys: StoreKeys
  traces: TraceStore
  /** Where there are other workers: the metrics of all of them, as text. */
  metricsOfAll?: (() => Promise<string> | undefined) | undefined
  live: Pick<Live<BffConfig>, 'status' | 'reload'>
  /** Opens where events go, with tokens of this IdP; undefined: nowhere. */
  openOutbox: ((idp: () => Idp) => Outbox | undefined) | undefined
  /** The console's build; undefined: none is served. */
  consoleDirectory: string | undefined
  clock: Clock
  log: Logger
}

const MIB = 1024 * 1024

/** How often what has expired is deleted. */
const SWEEP_MS = 30_000

const DAY_SECONDS = 86_400

/** Requests without a session of which events are sent, per second; the log and metrics have all. */
const ANONYMOUS_EVENTS_PER_SECOND = 20

/** Until the head of a request must be whole. */
const HEAD_MS = 60_000

/** WebSockets of one caller at once. */
const MAX_SOCKETS = 64

/** Builds the BFF; the caller listens on `server` and calls `close` when it stops. */
export async function buildBff(
  deps: BffDeps,
): Promise<{ server: Server; registry: Registry; close: () => Promise<void> }> {
  const { clock, log, storeKeys } = deps
  const groups = new Groups()
  const metrics = createMetrics(deps.config, deps.live, {
    openChannels: () => channels.count(),
    idpIsUp: () => idp().link.isUp,
    sessionBytes: () => sessions.cachedBytes,
    countSessions: () => deps.store.countSessions(),
    groups,
  })
  const store = guardStore(deps.store, metrics.storeFailed)
  const keys = openKeyRings({
    ...{ store, storeKeys, clock, log },
    rules: () => {
      const { rotate_after_days, retire_after_days } = deps.config().bridge.settings.auth.keys
      return {
        rotateAfterSeconds: rotate_after_days * DAY_SECONDS,
        retireAfterSeconds: retire_after_days * DAY_SECONDS,
      }
    },
  })
  const connections = new Connections(() => deps.config().idps, keys, {
    request: metrics.idpRequest,
  })
  const idpOf = ({ issuer }: { issuer: string }) => connections.of(issuer).idp
  const idp = () => idpOf(deps.config().idp)
  const outbox = deps.openOutbox?.(idp)
  const sessions = new Sessions({
    store,
    observe: { created: metrics.sessionCreated, ended: metrics.sessionEnded },
    storeKeys,
    clock,
    limits: () => deps.config().limits,
    maxBytes: () => deps.config().bridge.settings.session.memory_mb * MIB,
  })
  const channels = new Channels(sessions)
  sessions.onEnd((id, reason) => channels.end(id, reason))
  const directory = new SessionDirectory({
    store,
    storeKeys,
    clock,
    idleSeconds: () => deps.config().limits.idleSeconds,
    ended: metrics.sessionEnded,
  })
  const leases = new Leases(
    store,
    // A mint asks the IdP up to three times: a refresh, an exchange, and once more with a new token.
    () => deps.config().bridge.settings.auth.idp_timeout_seconds * 4_000,
  )
  const broker = new TokenBroker({
    idpOf,
    grants: new GrantKeeper({ idpOf, sessions, leases, clock, refreshed: metrics.tokenRefreshed }),
    sessions,
    leases,
    inspect: ({ issuer }, token) => connections.of(issuer).inspect(token),
    knowsKey: (jkt) => keys.dpop.has(jkt),
    clock,
    limits: () => {
      const { auth, token_refresh_threshold: aheadSeconds } = deps.config().bridge.settings
      return { maxSeconds: auth.service_token_seconds, aheadSeconds }
    },
    minted: ({ service, mint }, outcome, elapsedMs) =>
      metrics.minted(service, mint, outcome, elapsedMs),
  })
  const ahead = renewAhead({
    sessions,
    clock,
    log,
    renew: async (session, service, token) => {
      const { requirements, version } = deps.config()
      const requirement = requirements.get(service)
      if (requirement === undefined) return 'none'
      return (await broker.tokenFor(session, requirement, version, token)).kind
    },
  })
  const bindings = new SessionBindings({
    keys: storeKeys,
    failed: (reason, session) => {
      metrics.bindingFailed(reason)
      const line = {
        event: 'bff_session_binding_failed',
        reason,
        session: session.ticket.id,
        subject: principalIn(deps.config().idps, session),
      }
      log.warn(line, `session used from elsewhere reason=${reason}`)
    },
  })
  const stopping = new AbortController()
  const upstreams = new Upstreams()
  const health = watchHealth({
    ...{ config: deps.config, groups },
    check: (service, base, ...how) =>
      checkHealth(upstreams, base, reachTo(deps.config(), service), ...how),
  })
  const rateSharing = new RateSharing(store, storeKeys)
  const pipeline: PipelineDeps = {
    sessions,
    bindings,
    broker,
    bearers: followBearers(deps.config, (issuer) => connections.fetchOf(issuer)),
    assertion: createUserAssertion(
      keys.assertion,
      () => deps.config().frontends.first.publicUrl.origin,
    ),
    proofs: new DpopProofs(keys.dpop, clock),
    upstreams,
    groups,
    rates: new RateLimits(rateSharing.spent),
    callers: new Callers(),
    socketCallers: new Callers(MAX_SOCKETS),
    channels,
    now: clock,
    log,
  }
  const exchanges = new WeakMap<IncomingMessage, Exchange>()
  const anonymousEvents = new Allowance(ANONYMOUS_EVENTS_PER_SECOND)
  const { config, traces } = deps
  const telemetry = new Telemetry({ rules: () => config().telemetry, told: metrics.spans, log })
  const settling = { log, outbox, traces, telemetry, anonymousEvents, metrics }
  const background = new Set<Promise<unknown>>()
  const upgraded = new Set<Socket>()
  let front: SecureFront | undefined
  const app = await buildRoutes(
    {
      config: deps.config,
      sessions,
      directory,
      bindings,
      store,
      storeKeys,
      logins: new Logins({ store, storeKeys, clock }),
      broker,
      connections,
      readLogoutToken: (token) => connections.readLogoutToken(token, clock()),
      revocations: new Revocations({ idpOf, log, counted: metrics.grantRevoked }),
      keys,
      clock,
      log,
      background: (work) => {
        const tracked: Promise<unknown> = work
          .catch((cause: unknown) => log.error({ err: cause }, 'background work failed'))
          .finally(() => background.delete(tracked))
        background.add(tracked)
      },
      stopping: stopping.signal,
      exchangeOf: (raw) => exchanges.get(raw),
      frontendOf: (raw) => exchanges.get(raw)?.frontend ?? deps.config().frontends.first,
      takeSignIn: (raw) => {
        const exchange = exchanges.get(raw)
        return exchange && takeSignIn(pipeline, exchange)
      },
      traces: deps.traces,
      metrics: {
        contentType: metrics.registry.contentType,
        text: async () => (await deps.metricsOfAll?.()) ?? metrics.registry.metrics(),
      },
      loginTook: metrics.loginTook,
      live: deps.live,
      upstreamsOf: (service) => {
        const group = groups.of(deps.config()).get(service)
        return group?.isPlain ? undefined : group?.view(performance.now())
      },
      readMetadata: (service, base) =>
        readMetadata(upstreams, base, reachTo(deps.config(), service)),
    },
    deps.consoleDirectory,
    (own) => {
      const faulty = new WeakSet<object>()
      const dispatching = { ...settling, config, pipeline, exchanges, faulty, own }
      const server = new FrontServer(
        {
          shouldUpgradeCallback: asksForWebSocket,
          // A large upload takes its time: who sends nothing is cut off by `watchClient`.
          requestTimeout: 0,
          // Of a head. Without it Node would take that of requests, which is none.
          headersTimeout: HEAD_MS,
        },
        { config, log, channels, admit: pipeline, settle: settling },
        (req, res, begun) => dispatch(dispatching, req, res, { begun }),
      )
      front = new SecureFront({
        tls: () => config().tls,
        accept: server.accept,
        unreadMs: () => config().bridge.settings.server.stall_seconds * 1000,
        log,
      })
      server.on('connection', front.enter)
      // Left to Node, a client would be asked for its body before anybody knows who it is.
      for (const event of ['checkContinue', 'checkExpectation'] as const) {
        server.on(event, (req, res) => dispatch(dispatching, req, res))
      }
      return server.on('upgrade', (req, socket: Socket, early) => {
        // No longer the server's own: who waits for a backend would outlast the stop.
        upgraded.add(socket)
        socket.once('close', () => upgraded.delete(socket))
        dispatchUpgrade(dispatching, req, socket, early)
      })
    },
  )
  await app.ready()

  const sweep = setInterval(() => {
    const { idle_seconds } = deps.config().bridge.settings.session
    sweepExpired(store, clock(), idle_seconds).catch((cause: unknown) => {
      log.warn({ err: cause }, 'expired sessions could not be deleted')
    })
  }, SWEEP_MS)
  sweep.unref()

  return {
    server: app.server as Server,
    registry: metrics.registry,
    close: async () => {
      clearInterval(sweep)
      // Streams have no end of their own, and closing waits for what is under way.
      stopping.abort()
      channels.stop()
      const { drain_seconds: drainSeconds } = deps.config().bridge.settings.server
      front?.stop()
      await closeServer(app.server as Server, drainSeconds, () => {
        front?.destroy()
        for (const socket of upgraded) socket.destroy()
      })
      await app.close()
      await Promise.all(background)
      await ahead.stop()
      await rateSharing.close()
      await leases.close()
      health.stop()
      await upstreams.close()
      await outbox?.close()
      await telemetry.close()
      await deps.traces.close()
      sessions.close()
      keys.close()
      await store.close()
    },
  }
}

/** Stops accepting and waits for the requests under way; idle connections end at once. */
function closeServer(
  server: Server,
  drainSeconds: number,
  destroyOthers: () => void,
): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(() => {
      server.closeAllConnections()
      destroyOthers()
    }, drainSeconds * 1000)
    // A connection whose request is answered would be kept for the next one.
    const idle = setInterval(() => server.closeIdleConnections(), 100)
    server.close(() => {
      clearTimeout(late)
      clearInterval(idle)
      resolve()
    })
  })
}
