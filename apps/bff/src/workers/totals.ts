import { AggregatorRegistry, type Registry } from 'prom-client'

/** The metrics of one registry, as data. */
export type Snapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

/**
 * The metrics of all workers together. What a worker counted stays counted when it is gone: a sum
 * that falls looks to Prometheus like a restart, after which everything is counted a second time.
 */
export class Totals {
  /** Of those that died since anybody asked, and one of all before. */
  readonly #gone: Snapshot[] = []
  readonly #latest = new Map<number, Snapshot>()

  /** @param worker number of a process that lives. */
  note(worker: number, snapshot: Snapshot): void {
    this.#latest.set(worker, snapshot)
  }

  /** At once: of two that die together neither may overwrite what the other had counted. */
  forget(worker: number): void {
    const last = this.#latest.get(worker)
    if (last === undefined) return
    this.#latest.delete(worker)
    this.#gone.push(last.filter(({ type }) => isCount(`${type}`)))
  }

  /** @param own what the primary itself measures. */
  async text(own: Registry): Promise<string> {
    const mine = await own.getMetricsAsJSON()
    const gone = this.#gone.slice()
    const all = [mine, ...this.#latest.values(), ...gone]
    const text = AggregatorRegistry.aggregate(all).metrics()
    if (gone.length > 1) await this.#sumUp(gone)
    return text
  }

  async #sumUp(gone: readonly Snapshot[]): Promise<void> {
    const sum = await AggregatorRegistry.aggregate([...gone]).getMetricsAsJSON()
    // Somebody else has done it meanwhile.
    if (gone.some((snapshot, i) => this.#gone[i] !== snapshot)) return
    this.#gone.splice(0, gone.length, sum)
  }
}

const isCount = (type: string) => type === 'counter' || type === 'histogram'
