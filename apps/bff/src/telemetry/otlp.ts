import { hostname } from 'node:os'
import { ExportResultCode } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from '@opentelemetry/sdk-trace'
import type { SpanData } from './span-data.ts'

/** Where a collector is. */
export interface Collector {
  url: string
  headers: Readonly<Record<string, string>>
}

export type SpanOutcome = 'exported' | 'failed' | 'dropped'

/** Where spans go. */
export interface SpanSink {
  send(spans: readonly SpanData[]): void
  /** Sends what waits. */
  close(): Promise<void>
}

/** Spans that wait or are under way; more are dropped, and counted. */
const MAX_WAITING = 8192
const MAX_BATCH = 512
const DELAY_MS = 1000
const EXPORT_MS = 5000

const SCOPE = { name: 'audience-bridge' }

/**
 * Sends spans in batches, in the background and one after the other. A collector that is away costs
 * the spans that come meanwhile, and the memory of those that wait.
 */
export function openOtlp(
  { url, headers }: Collector,
  told: (outcome: SpanOutcome, count: number) => void,
): SpanSink {
  const resource = resourceFromAttributes({
    'service.name': 'ms-bff',
    'service.namespace': 'audience-bridge',
    'host.name': hostname(),
  })
  const exporter = new OTLPTraceExporter({ url, headers: { ...headers }, timeoutMillis: EXPORT_MS })
  let waiting = 0
  const counting: SpanExporter = {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        waiting -= spans.length
        told(result.code === ExportResultCode.SUCCESS ? 'exported' : 'failed', spans.length)
        // What failed is counted, and to the processor no error that it would report.
        done({ code: ExportResultCode.SUCCESS })
      }),
    shutdown: () => exporter.shutdown(),
  }
  const processor = new BatchSpanProcessor({
    exporter: counting,
    maxQueueSize: MAX_WAITING,
    maxExportBatchSize: MAX_BATCH,
    scheduledDelayMillis: DELAY_MS,
    exportTimeoutMillis: 2 * EXPORT_MS,
  })
  return {
    send(spans) {
      if (waiting + spans.length > MAX_WAITING) return told('dropped', spans.length)
      waiting += spans.length
      for (const span of spans) processor.onEnd(asReadable(span, resource))
    },
    close: () => processor.shutdown(),
  }
}

/** As the SDK's own spans look when they have ended. */
function asReadable(span: SpanData, resource: Resource): ReadableSpan {
  const context = (spanId: string) => ({ traceId: span.traceId, spanId, traceFlags: 1 })
  const { spanId, parentId } = span
  return {
    name: span.name,
    kind: span.kind,
    spanContext: () => context(spanId),
    ...(parentId === undefined ? {} : { parentSpanContext: context(parentId) }),
    startTime: hrTime(performance.timeOrigin + span.startedAt),
    endTime: hrTime(performance.timeOrigin + span.endedAt),
    duration: hrTime(span.endedAt - span.startedAt),
    status: { code: span.status },
    attributes: span.attributes,
    ...{ links: [], events: [], ended: true, resource, instrumentationScope: SCOPE },
    ...{ droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0 },
  }
}

/** Seconds, and nanoseconds below one. */
function hrTime(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000)
  return [seconds, Math.floor((ms - seconds * 1000) * 1e6)]
}
