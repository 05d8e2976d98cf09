import { AggregatorRegistry, type Registry } from 'prom-client'

/** The metrics of one registry, as data. */
export type Snapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

/**
 * The metrics of all workers together. What a worker counted stays counted when it is gone: a sum
 * that falls looks to Prometheus like a restart, after which everything is counted a second time.
 */
export class Totals {
  #gone: Snapshot = []
  readonly #latest = new Map<number, Snapshot>()

  /** @param worker number of a process that lives. */
  note(worker: number, snapshot: Snapshot): void {
    this.#latest.set(worker, snapshot)
  }

  async forget(worker: number): Promise<void> {
    const last = this.#latest.get(worker)
    if (last === undefined) return
    this.#latest.delete(worker)
    const counted = last.filter(({ type }) => isCount(`${type}`))
    this.#gone = await AggregatorRegistry.aggregate([this.#gone, counted]).getMetricsAsJSON()
  }

  /** @param own what the primary itself measures. */
  async text(own: Registry): Promise<string> {
    const all = [await own.getMetricsAsJSON(), ...this.#latest.values(), this.#gone]
    return AggregatorRegistry.aggregate(all).metrics()
  }
}

const isCount = (type: string) => type === 'counter' || type === 'histogram'
