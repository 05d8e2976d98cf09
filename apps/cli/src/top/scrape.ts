/** What a metric said, each series by its labels. */
export interface Series {
  labels: Readonly<Record<string, string>>
  value: number
}

/** One answer of `/metrics`. */
export interface Scrape {
  /** Milliseconds on the monotonic clock. */
  at: number
  /** By the name of the metric. */
  metrics: ReadonlyMap<string, readonly Series[]>
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g

/** Reads Prometheus' text format; a line that is none says nothing. */
export function readScrape(text: string, at: number): Scrape {
  const metrics = new Map<string, Series[]>()
  for (const line of text.split('\n')) {
    const [, name, labels, value] = LINE.exec(line) ?? []
    if (name === undefined || value === undefined) continue
    const series = {
      labels: readLabels(labels ?? ''),
      value: Number(value.replace('+Inf', 'Infinity')),
    }
    const known = metrics.get(name)
    if (known === undefined) metrics.set(name, [series])
    else known.push(series)
  }
  return { at, metrics }
}

function readLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const [, name = '', value = ''] of text.matchAll(LABEL)) {
    labels[name] = value.replace(/\\(.)/g, (_, escaped) => (escaped === 'n' ? '\n' : escaped))
  }
  return labels
}
