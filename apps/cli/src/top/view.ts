import { Growth, gaugeOf, labelsOf } from './growth.ts'
import type { Scrape } from './scrape.ts'

/** Milliseconds; null: nothing was observed yet. */
export interface Latency {
  p50: number | null
  p95: number | null
  p99: number | null
  /** Nothing was observed in the time that is looked at: it is since the process began. */
  since_start: boolean
}

export interface RouteView {
  /** The `id` of a route, `bff` or `verify`. */
  route: string
  per_second: number
  total: number
  latency: Latency
  /** Answers a second, whoever gave them. */
  client_errors_per_second: number
  server_errors_per_second: number
}

export interface ServiceView {
  service: string
  per_second: number
  upstream: Latency
  /** Requests a second by where their token came from. */
  tokens: { kept: number; minted: number; none: number }
  mint: Latency
  /** Of its addresses, where they are watched; null: they are not. */
  upstreams: { up: number; all: number } | null
  /** None of them is asked for now. */
  suspended: boolean
  /** When a token of it was last sent; null: not since the process began. */
  last_used: string | null
}

export interface FailureView {
  code: string
  service: string
  per_second: number
  total: number
}

/** What `bridge top` shows, over some seconds. */
export interface TopView {
  seconds: number
  per_second: number
  latency: Latency
  routes: RouteView[]
  services: ServiceView[]
  failures: FailureView[]
  sessions: number | null
  channels: number | null
  idp_up: boolean | null
  config_refused: boolean
  broken_links: number
}

const REQUESTS = 'http_requests_total'
const DURATION = 'http_request_duration_seconds'
const UPSTREAM = 'bff_upstream_duration_seconds'
const TOKENS = 'bff_audience_tokens_total'
const MINT = 'bff_token_mint_duration_seconds'
const PROBLEMS = 'bff_problems_total'
const LAST_USED = 'bff_audience_last_used_timestamp_seconds'

export function viewOf(before: Scrape, now: Scrape): TopView {
  const seconds = Math.max(0.001, (now.at - before.at) / 1000)
  const recent = new Growth(before, now)
  const all = new Growth(undefined, now)
  const rate = (name: string, match?: Record<string, string>) => recent.of(name, match) / seconds
  const latency = (name: string, match?: Record<string, string>) =>
    latencyOf(recent, all, name, match)
  const statuses = labelsOf(now, REQUESTS, 'status')
  const errors = (endpoint: string, digit: string) =>
    statuses
      .filter((status) => status.startsWith(digit))
      .reduce((total, status) => total + rate(REQUESTS, { endpoint, status }), 0)
  const services = new Set(
    [UPSTREAM, TOKENS, MINT, LAST_USED].flatMap((name) =>
      labelsOf(now, name === UPSTREAM || name === MINT ? `${name}_count` : name, 'service'),
    ),
  )
  return {
    seconds,
    per_second: rate(REQUESTS),
    latency: latency(DURATION),
    routes: labelsOf(now, REQUESTS, 'endpoint').map((endpoint) => ({
      route: endpoint,
      per_second: rate(REQUESTS, { endpoint }),
      total: all.of(REQUESTS, { endpoint }),
      latency: latency(DURATION, { endpoint }),
      client_errors_per_second: errors(endpoint, '4'),
      server_errors_per_second: errors(endpoint, '5'),
    })),
    services: [...services].map((service) => {
      const used = gaugeOf(now, LAST_USED, { service }) ?? 0
      const tokens = (source: string) => rate(TOKENS, { service, source })
      return {
        service,
        per_second: rate(`${UPSTREAM}_count`, { service }),
        upstream: latency(UPSTREAM, { service }),
        tokens: { kept: tokens('kept'), minted: tokens('minted'), none: tokens('none') },
        mint: latency(MINT, { service }),
        upstreams: upstreamsOf(now, service),
        suspended: gaugeOf(now, 'circuit_breaker_status', { service }) === 1,
        last_used: used > 0 ? new Date(used * 1000).toISOString() : null,
      }
    }),
    failures: (now.metrics.get(PROBLEMS) ?? []).map(({ labels, value }) => {
      const { code = '', service = '' } = labels
      return { code, service, per_second: rate(PROBLEMS, { code, service }), total: value }
    }),
    sessions: gaugeOf(now, 'bff_active_sessions_total') ?? null,
    channels: gaugeOf(now, 'bff_open_channels') ?? null,
    idp_up: isUp(gaugeOf(now, 'bff_idp_up')),
    config_refused: gaugeOf(now, 'bff_config_refused') === 1,
    broken_links: gaugeOf(now, 'bff_config_broken_links') ?? 0,
  }
}

function upstreamsOf({ metrics }: Scrape, service: string): ServiceView['upstreams'] {
  const known = (metrics.get('bff_upstream_up') ?? []).filter(
    ({ labels }) => labels.service === service,
  )
  if (known.length === 0) return null
  return { up: known.filter(({ value }) => value > 0).length, all: known.length }
}

const isUp = (value: number | undefined) => (value === undefined ? null : value === 1)

function latencyOf(
  recent: Growth,
  all: Growth,
  name: string,
  match?: Record<string, string>,
): Latency {
  const idle = recent.of(`${name}_count`, match) === 0
  const over = idle ? all : recent
  const ms = (q: number) => {
    const seconds = over.quantile(name, q, match)
    return seconds === undefined ? null : seconds * 1000
  }
  return { p50: ms(0.5), p95: ms(0.95), p99: ms(0.99), since_start: idle }
}

export const SORTS = ['rate', 'p95', 'errors', 'name'] as const
export type Sort = (typeof SORTS)[number]

/** The routes in the order asked for; the busiest, slowest, or most failing first. */
export function sortRoutes(routes: readonly RouteView[], sort: Sort): RouteView[] {
  const weight = (route: RouteView) => {
    switch (sort) {
      case 'p95':
        return route.latency.p95 ?? 0
      case 'errors':
        return route.server_errors_per_second * 1e6 + route.client_errors_per_second
      case 'rate':
        return route.per_second
      case 'name':
        return 0
    }
  }
  return routes.toSorted(
    (a, b) =>
      weight(b) - weight(a) ||
      b.total * Number(sort !== 'name') - a.total * Number(sort !== 'name') ||
      a.route.localeCompare(b.route),
  )
}
