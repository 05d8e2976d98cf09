import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Passage } from './exchange.ts'

/**
 * W3C Trace Context (Level 1): the caller's trace goes on to the backend under a span of ours. A
 * request that belongs to no trace begins one only where we record it: the correlation id is there for
 * it, and a trace that nobody records would keep backends from recording theirs.
 */
export interface TraceContext {
  traceId: string
  /** Ours: the parent of what the backend does. */
  spanId: string
  /** The caller's, where there is one. */
  parentId: string | undefined
  /** We send spans of it. */
  recorded: boolean
  /** For the backend. */
  headers: string[]
}

/** Which requests are recorded. */
export interface Sampling {
  /** The share of them. */
  ratio: number
  /** A caller's own decision is taken over, where it has decided. */
  followCallers: boolean
}

/** Fixed in length, so that nothing backtracks: version, trace id, parent id, flags. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
/** §3.3.1: one member of the list. */
const MEMBER =
  /^[a-z0-9][a-z0-9_*/-]{0,255}(@[a-z][a-z0-9_*/-]{0,13})?=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/
const MAX_MEMBERS = 32
/** Sampled, and of Level 2 that the trace id is random; all other flags mean nothing yet. */
const KNOWN_FLAGS = 0x03
const SAMPLED = 0x01

/** The trace that a request belongs to, if it does; the same however often it is asked for. */
export function traceOf(passage: Passage): TraceContext | undefined {
  if (passage.traceKnown) return passage.trace
  passage.traceKnown = true
  passage.trace = continueTrace(passage.req.headers, passage.config.telemetry)
  return passage.trace
}

/**
 * @param sampling undefined: nothing is recorded.
 * @returns undefined where the request belongs to no trace.
 */
export function continueTrace(
  headers: IncomingHttpHeaders,
  sampling?: Sampling,
): TraceContext | undefined {
  const { traceparent, tracestate } = headers
  const chosen = sampling !== undefined && Math.random() < sampling.ratio
  if (traceparent === undefined) return chosen ? newTrace(true) : undefined
  // A field that came twice arrives here with a comma in it, and is no traceparent either.
  const caller = typeof traceparent === 'string' ? readTraceparent(traceparent) : undefined
  // §3.2.2.5: what cannot be read is replaced, and its state goes with it.
  if (caller === undefined) return newTrace(chosen)
  const { traceId, parentId } = caller
  const spanId = nextSpanId()
  // The attack: whoever sets the flag has all of their requests recorded, at our cost.
  const recorded = sampling?.followCallers ? (caller.flags & SAMPLED) !== 0 : chosen
  const flags = `0${recorded ? caller.flags | SAMPLED : caller.flags}`
  const state = typeof tracestate === 'string' ? readTracestate(tracestate) : undefined
  return {
    ...{ traceId, spanId, parentId, recorded },
    headers: [
      ...['traceparent', `00-${traceId}-${spanId}-${flags}`],
      ...(state === undefined ? [] : ['tracestate', state]),
    ],
  }
}

function newTrace(recorded: boolean): TraceContext {
  const traceId = randomBytes(16).toString('hex')
  const spanId = nextSpanId()
  return {
    ...{ traceId, spanId, parentId: undefined, recorded },
    headers: ['traceparent', `00-${traceId}-${spanId}-0${recorded ? SAMPLED : 0}`],
  }
}

function readTraceparent(
  text: string,
): { traceId: string; parentId: string; flags: number } | undefined {
  const [, version, traceId = '', parentId = '', flags = '', more] = TRACEPARENT.exec(text) ?? []
  if (version === undefined || version === 'ff') return undefined
  // A later version may say more behind it; this one may not.
  if (version === '00' && more !== undefined) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined
  return { traceId, parentId, flags: Number.parseInt(flags, 16) & KNOWN_FLAGS }
}

/** The state as it came, or undefined when it is not one: it is the tracing systems' own. */
function readTracestate(text: string): string | undefined {
  const members = text.split(',').map((member) => member.trim())
  const named = members.filter((member) => member !== '')
  if (named.length === 0 || named.length > MAX_MEMBERS) return undefined
  return named.every((member) => MEMBER.test(member)) ? named.join(',') : undefined
}

/** Unlike another within a trace is enough: one random beginning a process, and a counter. */
const PREFIX = (randomBytes(4).readUInt32BE() | 1) >>> 0
let counter = randomBytes(4).readUInt32BE()

export function nextSpanId(): string {
  counter = (counter + 1) >>> 0
  return hex8(PREFIX) + hex8(counter)
}

const hex8 = (value: number) => value.toString(16).padStart(8, '0')
