import { fstatSync } from 'node:fs'
import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino'

export type { Logger }

/** Paths that never reach a log whatever a caller passes: the last net below "do not log secrets". */
const REDACTED = [
  'authorization',
  'cookie',
  'token',
  'access_token',
  'refresh_token',
  'id_token',
  'client_secret',
  'password',
  '*.authorization',
  '*.cookie',
  '*.access_token',
  '*.refresh_token',
  '*.id_token',
  '*.client_secret',
  '*.password',
]

/** Lines are handed on in batches of at most so many bytes, and at the latest after so long. */
const BATCH_BYTES = 65_536
const BATCH_MS = 100
/** Of UTF-8 for one unit of a string. */
const MAX_UNIT_BYTES = 3
/** Several processes may write so much into one pipe without mixing their lines (PIPE_BUF). */
const WHOLE_BYTES = 4_096

/**
 * One JSON line an event on standard output: `{level, time, service, message, …fields}`.
 *
 * @param service the name of the process, for example `ms-bff`.
 * @param buffered lines are written in batches, at the latest after 100 ms and at the exit: for
 * processes that write a line for each request.
 * @param worker names one of several processes that write to one output.
 * @param level one of pino's levels; `LOG_LEVEL` by convention.
 */
export function createLog(
  service: string,
  level = 'info',
  { buffered = false, worker }: { buffered?: boolean; worker?: number | undefined } = {},
): Logger {
  const options: LoggerOptions = {
    level,
    messageKey: 'message',
    base: { service, ...(worker === undefined ? {} : { worker }) },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: REDACTED, censor: '[redacted]' },
  }
  // Written at once: a line in flight at `process.exit` would come after later ones, or never.
  if (!buffered) return pino(options, pino.destination({ sync: true }))
  return pino(options, batched(worker === undefined || isFile(1) ? BATCH_BYTES : WHOLE_BYTES))
}

/** Writes to a file that several processes have open are whole, however long. */
const isFile = (descriptor: number): boolean => fstatSync(descriptor).isFile()

/**
 * Standard output, to which lines go in batches. Not by the destination's own `minLength`, which
 * measures all that waits anew with each line.
 */
function batched(batchBytes: number): DestinationStream {
  const destination = pino.destination({
    ...{ sync: false, contentMode: 'buffer' as const },
    ...(batchBytes === WHOLE_BYTES ? { maxWrite: WHOLE_BYTES } : {}),
  })
  // The types know strings alone.
  const hand = destination.write.bind(destination) as (bytes: Buffer | string) => boolean
  let batch = Buffer.allocUnsafeSlow(batchBytes)
  let used = 0
  const flush = () => {
    if (used === 0) return
    hand(batch.subarray(0, used))
    batch = Buffer.allocUnsafeSlow(batchBytes)
    used = 0
  }
  setInterval(flush, BATCH_MS).unref()
  process.once('exit', () => {
    flush()
    destination.flushSync()
  })
  return {
    write(line) {
      const most = line.length * MAX_UNIT_BYTES
      if (used + most > batchBytes) flush()
      if (most > batchBytes) hand(Buffer.from(line))
      else used += batch.write(line, used)
    },
  }
}

let second = ''
let secondFrom = Number.NaN

/** The time of now as ISO 8601, put together anew once a second. */
function isoTime(): string {
  const now = Date.now()
  const millis = now % 1000
  if (now - millis !== secondFrom) {
    secondFrom = now - millis
    second = new Date(now).toISOString().slice(0, 20)
  }
  return `${second}${millis < 10 ? '00' : millis < 100 ? '0' : ''}${millis}Z`
}

/**
 * A line whose fields are JSON already, at the level `info`: there is one for each request, and
 * turning an object into it, with a look for what must be redacted, costs several times as much.
 *
 * @param fields `"name":value`, separated by commas, none of which can be a secret.
 */
export function writeLine(log: Logger, fields: string): void {
  if (!log.isLevelEnabled('info')) return
  const inner = log as unknown as Record<symbol, unknown>
  const stream = inner[pino.symbols.streamSym] as DestinationStream
  const bindings = inner[pino.symbols.chindingsSym] as string
  stream.write(`{"level":"info","time":"${isoTime()}"${bindings},${fields}}\n`)
}
