import { Counter, Gauge, type Registry } from 'prom-client'
import type { Endpoint } from './upstreams/endpoint.ts'
import type { Group } from './upstreams/group.ts'

const STATUS = { closed: 0, open: 1, halfOpen: 2 } as const

/** What is known of the upstreams where there is something to decide about them; read when somebody asks. */
export function addUpstreamMetrics(
  registry: Registry,
  groups: () => ReadonlyMap<string, Group>,
): void {
  const registers = [registry]
  const watched = () => [...groups().values()].filter(({ isPlain }) => !isPlain)
  new Gauge({
    name: 'circuit_breaker_status',
    help: 'By service: 0, some upstream is asked; 1, all are suspended; 2, one is being tried.',
    aggregator: 'max',
    labelNames: ['service'],
    registers,
    collect() {
      this.reset()
      for (const { service, endpoints, rules } of watched()) {
        if (rules.breaker !== undefined) this.set({ service }, statusOf(endpoints))
      }
    },
  })
  new Counter({
    name: 'circuit_breaks_total',
    help: 'How often an upstream was suspended.',
    labelNames: ['service'],
    registers,
    collect() {
      this.reset()
      for (const { service, endpoints, rules } of watched()) {
        if (rules.breaker === undefined) continue
        this.inc({ service }, sum(endpoints.map(({ breaks }) => breaks)))
      }
    },
  })
  const perUpstream = (
    aggregator: 'min' | 'sum',
    name: string,
    help: string,
    read: (endpoint: Endpoint) => number,
  ) =>
    new Gauge({
      ...{ aggregator, name, help, registers },
      labelNames: ['service', 'upstream'],
      collect() {
        this.reset()
        for (const { service, endpoints } of watched()) {
          for (const endpoint of endpoints) {
            this.set({ service, upstream: endpoint.base.href }, read(endpoint))
          }
        }
      },
    })
  perUpstream(
    'min',
    'bff_upstream_up',
    '0: suspended, or out of favour by its health checks.',
    (upstream) => (upstream.state(performance.now()) === 'up' ? 1 : 0),
  )
  perUpstream('sum', 'bff_upstream_requests', 'Requests under way.', ({ underWay }) => underWay)
  new Counter({
    name: 'bff_upstream_retries_total',
    help: 'Requests sent again after a failure; refused: not, for want of a budget.',
    labelNames: ['service', 'outcome'],
    registers,
    collect() {
      this.reset()
      for (const { service, budget, rules } of watched()) {
        if (rules.retries === undefined) continue
        this.inc({ service, outcome: 'sent' }, budget.spent)
        this.inc({ service, outcome: 'refused' }, budget.refused)
      }
    },
  })
  const perSlots = (
    name: string,
    help: string,
    read: (slots: { taken: number; waiting: number }) => number,
  ) =>
    new Gauge({
      ...{ name, help, registers },
      labelNames: ['service'],
      collect() {
        this.reset()
        for (const { service, slots, rules } of watched()) {
          if (rules.slots !== undefined && slots !== undefined) this.set({ service }, read(slots))
        }
      },
    })
  perSlots(
    'bff_service_slots_taken',
    'Requests under way that count against concurrency.',
    ({ taken }) => taken,
  )
  perSlots('bff_service_queue', 'Requests that wait for a slot.', ({ waiting }) => waiting)
}

function statusOf(endpoints: readonly Endpoint[]): number {
  const now = performance.now()
  const states = endpoints.map((endpoint) => endpoint.state(now))
  if (states.some((state) => state === 'up' || state === 'unhealthy')) return STATUS.closed
  return states.includes('probing') ? STATUS.halfOpen : STATUS.open
}

const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0)
