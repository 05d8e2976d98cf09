import { type Logger, type LoggerOptions, pino } from 'pino'

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

const BUFFER_BYTES = 8_192
const FLUSH_MS = 100

/**
 * One JSON line an event on standard output: `{level, time, service, message, …fields}`.
 *
 * @param service the name of the process, for example `ms-bff`.
 * @param buffered lines are written in batches, at the latest after 100 ms and at the exit: for
 * processes that write a line for each request.
 * @param level one of pino's levels; `LOG_LEVEL` by convention.
 */
export function createLog(
  service: string,
  level = 'info',
  { buffered = false }: { buffered?: boolean } = {},
): Logger {
  const options: LoggerOptions = {
    level,
    messageKey: 'message',
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: REDACTED, censor: '[redacted]' },
  }
  // Written at once: a line in flight at `process.exit` would come after later ones, or never.
  if (!buffered) return pino(options, pino.destination({ sync: true }))
  return pino(
    options,
    pino.destination({ sync: false, minLength: BUFFER_BYTES, periodicFlush: FLUSH_MS }),
  )
}

/**
 * The same log for lines of fixed fields, none of which can be a secret: looking for what must be
 * redacted costs twice as much as the line itself, and there is one for each request.
 */
export const unredacted = (log: Logger): Logger => log.child({}, { redact: [] })
