import type { Live } from '@audience-bridge/kit/live.ts'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { BffConfig } from './config.ts'
import type { Passage } from './proxy/exchange.ts'
import type { BindingFault } from './session/binding.ts'
import type { SessionEnd } from './session/session.ts'
import type { SpanOutcome } from './telemetry/otlp.ts'
import type { TokenOutcome } from './tokens/broker.ts'

/** What the BFF counts. Labels are bounded: routes, services and codes, never users or paths. */
export interface Metrics {
  registry: Registry
  request(exchange: Passage, elapsedMs: number): void
  minted(service: string, grantType: string, outcome: TokenOutcome['kind'], elapsedMs: number): void
  sessionCreated(): void
  sessionEnded(reason: SessionEnd): void
  /** A session was used from where it cannot be, or from another network. */
  bindingFailed(reason: BindingFault): void
  /** A grant was to be ended at the IdP. */
  grantRevoked(outcome: 'ok' | 'refused' | 'unavailable'): void
  idpRequest(endpoint: string, status: string): void
  /** Spans that were to go to the collector. */
  spans(outcome: SpanOutcome, count: number): void
}

/** A gateway answers in a fraction of a millisecond, a backend in up to a minute. */
const REQUEST_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const MINT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

/** Methods that are counted by name; an attacker's inventions share one label. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

export function createMetrics(
  config: () => BffConfig,
  live: Pick<Live<BffConfig>, 'status'>,
  state: { openChannels: () => number; idpIsUp: () => boolean },
): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const requests = new Counter({
    name: 'http_requests_total',
    help: 'Requests answered.',
    labelNames: ['method', 'endpoint', 'status'],
    registers,
  })
  const durations = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'From the first byte of a request to the last of its answer.',
    labelNames: ['method', 'endpoint'],
    buckets: REQUEST_SECONDS,
    registers,
  })
  const verifications = new Histogram({
    name: 'bff_verify_duration_seconds',
    help: 'Questions of a proxy in front, answered.',
    labelNames: ['status'],
    buckets: REQUEST_SECONDS,
    registers,
  })
  const problems = new Counter({
    name: 'bff_problems_total',
    help: 'Problems that the gateway itself answered.',
    labelNames: ['code', 'service'],
    registers,
  })
  const tokens = new Counter({
    name: 'bff_audience_tokens_total',
    help: 'Requests by where their token came from: kept, minted, presented, none.',
    labelNames: ['service', 'source'],
    registers,
  })
  const exchanges = new Counter({
    name: 'bff_token_exchange_total',
    help: 'Tokens asked of the IdP, by how it ended.',
    labelNames: ['service', 'grant_type', 'status'],
    registers,
  })
  const mints = new Histogram({
    name: 'bff_token_mint_duration_seconds',
    help: 'Asking the IdP for a token and verifying it.',
    labelNames: ['service'],
    buckets: MINT_SECONDS,
    registers,
  })
  const rejections = new Counter({
    name: 'bff_upstream_401_total',
    help: 'Answers of 401 to a token of ours.',
    labelNames: ['service', 'code'],
    registers,
  })
  const csrf = new Counter({
    name: 'bff_csrf_violations_total',
    help: 'Requests that did not prove their origin.',
    registers,
  })
  const excesses = new Counter({
    name: 'bff_rate_limit_violations_total',
    help: 'Requests refused for coming too often, by service and by whose limit it was.',
    labelNames: ['service', 'per'],
    registers,
  })
  const created = new Counter({
    name: 'bff_sessions_created_total',
    help: 'Logins completed.',
    registers,
  })
  const destroyed = new Counter({
    name: 'bff_sessions_destroyed_total',
    help: 'Sessions ended.',
    labelNames: ['reason'],
    registers,
  })
  const bindings = new Counter({
    name: 'bff_session_binding_failures_total',
    help: 'Sessions used from another browser or network than at the login.',
    labelNames: ['reason'],
    registers,
  })
  const revocations = new Counter({
    name: 'bff_grant_revocations_total',
    help: 'Grants that were to be ended at the IdP, by how that went.',
    labelNames: ['status'],
    registers,
  })
  gauge(registry, 'bff_open_channels', 'WebSockets, and answers that last.', state.openChannels)
  const idpRequests = new Counter({
    name: 'bff_idp_requests_total',
    help: 'Calls to the IdP by endpoint and HTTP status, or how they failed; held_back: not made.',
    labelNames: ['endpoint', 'status'],
    registers,
  })
  const spans = new Counter({
    name: 'bff_telemetry_spans_total',
    help: 'Spans by what became of them: exported; failed: not taken; dropped: too many waited.',
    labelNames: ['outcome'],
    registers,
  })
  gauge(registry, 'bff_idp_up', 'Whether the IdP answered when it was last asked.', () =>
    state.idpIsUp() ? 1 : 0,
  )
  gauge(
    registry,
    'bff_config_refused',
    'The files on disk are malformed; what is in force is older.',
    () => (live.status().refused ? 1 : 0),
  )
  gauge(
    registry,
    'bff_config_broken_links',
    'Routes whose chain is broken.',
    () => [...config().chains.values()].filter(({ broken }) => broken !== undefined).length,
  )
  gauge(
    registry,
    'bff_config_loaded_timestamp_seconds',
    'When the configuration in force was read.',
    () => Date.parse(live.status().loaded_at) / 1000,
  )

  return {
    registry,
    request(exchange, elapsedMs) {
      const { route } = exchange.route ?? {}
      const endpoint = exchange.verify ? 'verify' : (route?.id ?? 'bff')
      const method = METHODS.has(exchange.method) ? exchange.method : 'other'
      requests.inc({ method, endpoint, status: exchange.res.statusCode })
      durations.observe({ method, endpoint }, elapsedMs / 1000)
      if (exchange.verify) {
        verifications.observe({ status: exchange.res.statusCode }, elapsedMs / 1000)
      }
      const service = route?.target_service ?? ''
      if (exchange.problem !== undefined) problems.inc({ code: exchange.problem, service })
      if (exchange.token !== undefined) tokens.inc({ service, source: exchange.token.source })
      if (exchange.problem === 'RATE_LIMITED') {
        excesses.inc({ service, per: exchange.rate?.per ?? '' })
      }
      if (exchange.csrfFault !== undefined) csrf.inc()
      if (exchange.problem === 'AUDIENCE_MISMATCH' || exchange.problem === 'TOKEN_REJECTED') {
        rejections.inc({ service, code: exchange.problem })
      }
    },
    minted(service, grantType, outcome, elapsedMs) {
      const status = outcome === 'token' ? 'success' : outcome
      exchanges.inc({ service, grant_type: grantType, status })
      mints.observe({ service }, elapsedMs / 1000)
    },
    sessionCreated: () => created.inc(),
    sessionEnded: (reason) => destroyed.inc({ reason }),
    bindingFailed: (reason) => bindings.inc({ reason }),
    grantRevoked: (outcome) => revocations.inc({ status: outcome === 'ok' ? 'success' : outcome }),
    spans: (outcome, count) => spans.inc({ outcome }, count),
    idpRequest: (endpoint, status) => idpRequests.inc({ endpoint, status }),
  }
}

function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read())
    },
  })
}
