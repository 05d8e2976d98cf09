import type { Logger } from '@audience-bridge/kit/log.ts'
import type { Passage } from '../proxy/exchange.ts'
import { type Sampling, traceOf } from '../proxy/trace-context.ts'
import type { Collector, SpanOutcome, SpanSink } from './otlp.ts'
import { spansOf } from './span-data.ts'

/** `telemetry` of the settings, where it is enabled. */
export interface TelemetryRules extends Sampling, Collector {}

export interface TelemetryDeps {
  /** Of now; undefined: off. */
  rules: () => TelemetryRules | undefined
  told: (outcome: SpanOutcome, count: number) => void
  log: Logger
}

/** What waits is sent when the process stops, if that takes no longer. */
const CLOSE_MS = 2000

/**
 * Records requests that are over, where the configuration of now says so. The SDK takes some 30 MB:
 * it is loaded when it is first wanted.
 */
export class Telemetry {
  readonly #deps: TelemetryDeps
  #inForce: TelemetryRules | undefined
  #sink: SpanSink | undefined
  #opening: Promise<void> = Promise.resolve()

  constructor(deps: TelemetryDeps) {
    this.#deps = deps
    this.#follow()
  }

  /** Before the request is accounted for: one that went nowhere begins its trace here. */
  record(passage: Passage, now: number): void {
    const rules = this.#deps.rules()
    if (rules !== this.#inForce) this.#follow()
    if (rules === undefined) return
    // Our own pages and health checks are worth a span only when they fail.
    if (passage.route === undefined && passage.problem === undefined) return
    const trace = traceOf(passage)
    if (!trace?.recorded) return
    const spans = spansOf(passage, trace, now)
    if (this.#sink === undefined) this.#deps.told('dropped', spans.length)
    else this.#sink.send(spans)
  }

  async close(): Promise<void> {
    await this.#opening
    await closeInTime(this.#sink)
  }

  /** Goes over to the collector of now; what waits for the old one is still sent there. */
  #follow(): void {
    const rules = this.#deps.rules()
    const { told, log } = this.#deps
    this.#inForce = rules
    this.#opening = this.#opening.then(async () => {
      const before = this.#sink
      this.#sink = undefined
      if (rules !== undefined && rules === this.#inForce) {
        const { openOtlp } = await import('./otlp.ts')
        this.#sink = openOtlp(rules, told)
      }
      await closeInTime(before)
    })
    this.#opening.catch((cause: unknown) => log.error({ err: cause }, 'spans cannot be sent'))
  }
}

async function closeInTime(sink: SpanSink | undefined): Promise<void> {
  if (sink === undefined) return
  const late = Promise.withResolvers<void>()
  const timer = setTimeout(late.resolve, CLOSE_MS)
  await Promise.race([sink.close().catch(() => {}), late.promise])
  clearTimeout(timer)
}
