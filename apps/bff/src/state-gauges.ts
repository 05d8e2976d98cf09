import type { Live } from '@audience-bridge/kit/live.ts'
import { Gauge, type Registry } from 'prom-client'
import type { BffConfig } from './config.ts'
import { addUpstreamMetrics } from './upstream-metrics.ts'
import type { Groups } from './upstreams/groups.ts'

/** What is asked when the metrics are. */
export interface ProcessState {
  openChannels: () => number
  idpIsUp: () => boolean
  sessionBytes: () => number
  countSessions: () => Promise<number>
  groups: Groups
}

/** Gauges that are read when somebody asks for the metrics. */
export function addStateGauges(
  registry: Registry,
  config: () => BffConfig,
  live: Pick<Live<BffConfig>, 'status'>,
  state: ProcessState,
): void {
  const registers = [registry]
  let sessions = { count: 0, until: 0 }
  new Gauge({
    name: 'bff_active_sessions_total',
    help: 'Sessions in the store, of all nodes; at most 10 s old.',
    aggregator: 'max',
    registers,
    async collect() {
      const now = performance.now()
      if (now >= sessions.until) {
        // Counting a million takes some milliseconds; while the store is away, the last count stands.
        const count = await state.countSessions().catch(() => sessions.count)
        sessions = { count, until: now + 10_000 }
      }
      this.set(sessions.count)
    },
  })
  gauge(
    registry,
    'bff_session_memory_bytes',
    'What the sessions in memory need, by estimate; bounded by session.memory_mb.',
    state.sessionBytes,
  )
  addUpstreamMetrics(registry, () => state.groups.of(config()))
  gauge(registry, 'bff_open_channels', 'WebSockets, and answers that last.', state.openChannels)
  gauge(
    registry,
    'bff_idp_up',
    'Whether the IdP answered when it was last asked.',
    () => (state.idpIsUp() ? 1 : 0),
    'min',
  )
  gauge(
    registry,
    'bff_config_refused',
    'The files on disk are malformed; what is in force is older.',
    () => (live.status().refused ? 1 : 0),
    'max',
  )
  gauge(
    registry,
    'bff_config_broken_links',
    'Routes whose chain is broken.',
    () => [...config().chains.values()].filter(({ broken }) => broken !== undefined).length,
    'max',
  )
  gauge(
    registry,
    'bff_config_loaded_timestamp_seconds',
    'When the configuration in force was read.',
    () => Date.parse(live.status().loaded_at) / 1000,
    'min',
  )
}

/** @param aggregator what several workers say together. */
function gauge(
  registry: Registry,
  name: string,
  help: string,
  read: () => number,
  aggregator: 'sum' | 'min' | 'max' = 'sum',
): void {
  new Gauge({
    ...{ name, help, aggregator },
    registers: [registry],
    collect() {
      this.set(read())
    },
  })
}
