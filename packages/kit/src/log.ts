import { type Logger, pino } from 'pino'

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

/**
 * One JSON line an event on standard output: `{level, time, service, message, …fields}`.
 *
 * @param service the name of the process, for example `ms-bff`.
 * @param level one of pino's levels; `LOG_LEVEL` by convention.
 */
export function createLog(service: string, level = 'info'): Logger {
  return pino({
    level,
    messageKey: 'message',
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: REDACTED, censor: '[redacted]' },
  })
}
