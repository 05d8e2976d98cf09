import type { Scrape, Series } from './scrape.ts'

type Match = Readonly<Record<string, string>>

/** Counters and histograms between two scrapes of one process. */
export class Growth {
  readonly #before: Scrape | undefined
  readonly #now: Scrape

  /** @param before undefined: since the process began. */
  constructor(before: Scrape | undefined, now: Scrape) {
    this.#before = before
    this.#now = now
  }

  /** By how much the series that match have grown, taken together. */
  of(name: string, match: Match = {}): number {
    const now = sum(this.#now, name, match)
    const before = this.#before === undefined ? 0 : sum(this.#before, name, match)
    // The process has begun anew: what it has counted since is all there is.
    return now < before ? now : now - before
  }

  /** In seconds, interpolated within its bucket as Prometheus does; undefined: nothing was observed. */
  quantile(name: string, q: number, match: Match = {}): number | undefined {
    const bounds = new Set<number>()
    for (const { labels } of matching(this.#now, `${name}_bucket`, match)) {
      bounds.add(labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le))
    }
    const buckets = [...bounds]
      .sort((a, b) => a - b)
      .map((bound) => ({
        bound,
        count: this.of(`${name}_bucket`, {
          ...match,
          le: bound === Number.POSITIVE_INFINITY ? '+Inf' : String(bound),
        }),
      }))
    const total = buckets.at(-1)?.count ?? 0
    if (total === 0) return undefined
    const rank = q * total
    let [lower, below] = [0, 0]
    for (const { bound, count } of buckets) {
      if (count >= rank && count > below) {
        if (bound === Number.POSITIVE_INFINITY) return lower
        return lower + (bound - lower) * ((rank - below) / (count - below))
      }
      ;[lower, below] = [bound, count]
    }
    return lower
  }
}

/** The values of one label among the series of a metric. */
export function labelsOf(scrape: Scrape, name: string, label: string): string[] {
  const values = (scrape.metrics.get(name) ?? []).map(({ labels }) => labels[label] ?? '')
  return [...new Set(values)].filter((value) => value !== '')
}

/** What a gauge says; undefined: there is none. */
export function gaugeOf(scrape: Scrape, name: string, match: Match = {}): number | undefined {
  return matching(scrape, name, match)[0]?.value
}

const sum = (scrape: Scrape, name: string, match: Match) =>
  matching(scrape, name, match).reduce((total, { value }) => total + value, 0)

function matching({ metrics }: Scrape, name: string, match: Match): readonly Series[] {
  const wanted = Object.entries(match)
  return (metrics.get(name) ?? []).filter(({ labels }) =>
    wanted.every(([label, value]) => labels[label] === value),
  )
}
