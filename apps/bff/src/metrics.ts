import type { UpstreamSeen } from '@audience-bridge/chain/observation.ts'
import type { Live } from '@audience-bridge/kit/live.ts'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { BffConfig } from './config.ts'
import type { Passage } from './proxy/exchange.ts'
import { EDGE_UNTRUSTED, SECURITY_EVENTS } from './security-events.ts'
import type { BindingFault } from './session/binding.ts'
import type { SessionEnd } from './session/session.ts'
import { addStateGauges, type ProcessState } from './state-gauges.ts'
import { TallyCounter, TallyHistogram } from './tally.ts'
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
  /** A login's own token was to be renewed. */
  tokenRefreshed(status: 'success' | 'refused' | 'unavailable'): void
  loginTook(flowType: 'interactive' | 'silent', seconds: number): void
  /** The store did not answer. */
  storeFailed(operation: string): void
  /** A grant was to be ended at the IdP. */
  grantRevoked(outcome: 'ok' | 'refused' | 'unavailable'): void
  idpRequest(endpoint: string, status: string): void
  /** Spans that were to go to the collector. */
  spans(outcome: SpanOutcome, count: number): void
}

/** A gateway answers in a fraction of a millisecond, a backend in up to a minute. */
const REQUEST_SECONDS = [
  0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
]
/** People type a password, or look for their telephone. */
const FLOW_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]
const MINT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

/** What backends may say of a token: ours (packages/resource-server), and RFC 6750 and 9449. */
const REJECTIONS = new Set([
  ...['audience', 'issuer', 'key_unknown', 'signature', 'expired', 'not_yet_valid', 'type'],
  ...['proof', 'malformed', 'invalid_request', 'invalid_token', 'insufficient_scope'],
  ...['invalid_dpop_proof', 'use_dpop_nonce'],
])

/** One of a few, whatever a backend writes into its challenge. */
function rejectedFor({ challenge_reason: reason, challenge_error: error }: UpstreamSeen): string {
  const said = reason !== undefined && REJECTIONS.has(reason) ? reason : error
  return said === undefined ? 'none' : REJECTIONS.has(said) ? said : 'other'
}

/** Methods that are counted by name; an attacker's inventions share one label. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

export function createMetrics(
  config: () => BffConfig,
  live: Pick<Live<BffConfig>, 'status'>,
  state: ProcessState,
): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const requests = new TallyCounter({
    name: 'http_requests_total',
    help: 'Requests answered.',
    labelNames: ['method', 'endpoint', 'status'],
    registers,
  })
  const durations = new TallyHistogram({
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
  const upstreams = new TallyHistogram({
    name: 'bff_upstream_duration_seconds',
    help: 'From the question to a backend to the head of its answer, retries included.',
    labelNames: ['service'],
    buckets: REQUEST_SECONDS,
    registers,
  })
  const problems = new Counter({
    name: 'bff_problems_total',
    help: 'Problems that the gateway itself answered.',
    labelNames: ['code', 'service'],
    registers,
  })
  const tokens = new TallyCounter({
    name: 'bff_audience_tokens_total',
    help: 'Requests by where their token came from: kept, minted, presented, none.',
    labelNames: ['service', 'source'],
    registers,
  })
  const lastUses = new Map<string, number>()
  new Gauge({
    name: 'bff_audience_last_used_timestamp_seconds',
    help: 'When a token of the service was last sent to it; 0: not since the start.',
    labelNames: ['service'],
    aggregator: 'max',
    registers,
    collect() {
      this.reset()
      for (const service of config().requirements.keys()) {
        const at = lastUses.get(service)
        this.set(
          { service },
          at === undefined ? 0 : Math.round((performance.timeOrigin + at) / 1000),
        )
      }
    },
  })
  const validations = new Counter({
    name: 'bff_token_validation_total',
    help: 'Tokens that callers presented on auth: bearer routes, by what came of them.',
    labelNames: ['status'],
    registers,
  })
  const refreshes = new Counter({
    name: 'bff_token_refresh_total',
    help: 'Logins’ own tokens renewed at the IdP, by how it ended.',
    labelNames: ['status'],
    registers,
  })
  const logins = new Histogram({
    name: 'bff_oauth_flow_duration_seconds',
    help: 'From /auth/login to the session; interactive ones contain the person.',
    labelNames: ['flow_type'],
    buckets: FLOW_SECONDS,
    registers,
  })
  const storeFailures = new Counter({
    name: 'bff_store_failures_total',
    help: 'What the session store did not answer, by operation.',
    labelNames: ['operation'],
    registers,
  })
  const security = new Counter({
    name: 'bff_security_events_total',
    help: 'What an attack would look like, and sometimes a mistake.',
    labelNames: ['event_type', 'severity'],
    registers,
  })
  const forwardAuth = {
    success: new Counter({
      name: 'traefik_forwardauth_success_total',
      help: 'Questions of a proxy in front that were answered with 200.',
      registers,
    }),
    rejected: new Counter({
      name: 'traefik_forwardauth_rejected_total',
      help: 'Questions of a proxy in front that were refused.',
      registers,
    }),
  }
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
    help: 'Answers of 401 to a token of ours that a new one did not mend, by what the backend said.',
    labelNames: ['service', 'code', 'reason'],
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
  addStateGauges(registry, config, live, state)

  return {
    registry,
    request(exchange, elapsedMs) {
      const { route } = exchange.route ?? {}
      const endpoint = exchange.verify ? 'verify' : (route?.id ?? 'bff')
      const method = METHODS.has(exchange.method) ? exchange.method : 'other'
      requests.add(method, endpoint, exchange.res.statusCode)
      durations.add(elapsedMs / 1000, method, endpoint)
      if (exchange.verify) {
        verifications.observe({ status: exchange.res.statusCode }, elapsedMs / 1000)
        forwardAuth[exchange.res.statusCode === 200 ? 'success' : 'rejected'].inc()
      }
      const service = route?.target_service ?? ''
      if (exchange.upstreamMs > 0) upstreams.add(exchange.upstreamMs / 1000, service)
      if (exchange.token !== undefined) {
        tokens.add(service, exchange.token.source)
        if (exchange.token.source !== 'none') lastUses.set(service, exchange.startedAt)
      }
      if (route?.auth === 'bearer' && exchange.tokenFound !== undefined) {
        validations.inc({ status: exchange.tokenFound ? 'success' : 'failed' })
      }
      if (exchange.problem === undefined) return
      problems.inc({ code: exchange.problem, service })
      const event =
        exchange.edge?.fault === undefined ? SECURITY_EVENTS[exchange.problem] : EDGE_UNTRUSTED
      if (event !== undefined) security.inc(event)
      if (exchange.problem === 'RATE_LIMITED') {
        excesses.inc({ service, per: exchange.rate?.per ?? '' })
      }
      if (exchange.csrfFault !== undefined) csrf.inc()
      if (exchange.upstream?.status === 401) {
        rejections.inc({ service, code: exchange.problem, reason: rejectedFor(exchange.upstream) })
      }
    },
    minted(service, grantType, outcome, elapsedMs) {
      const status = outcome === 'token' ? 'success' : outcome
      exchanges.inc({ service, grant_type: grantType, status })
      mints.observe({ service }, elapsedMs / 1000)
    },
    sessionCreated: () => created.inc(),
    sessionEnded: (reason) => destroyed.inc({ reason }),
    bindingFailed(reason) {
      bindings.inc({ reason })
      security.inc({ event_type: `session_${reason}`, severity: 'high' })
    },
    tokenRefreshed: (status) => refreshes.inc({ status }),
    loginTook: (flowType, seconds) => logins.observe({ flow_type: flowType }, seconds),
    storeFailed: (operation) => storeFailures.inc({ operation }),
    grantRevoked: (outcome) => revocations.inc({ status: outcome === 'ok' ? 'success' : outcome }),
    spans: (outcome, count) => spans.inc({ outcome }, count),
    idpRequest: (endpoint, status) => idpRequests.inc({ endpoint, status }),
  }
}
