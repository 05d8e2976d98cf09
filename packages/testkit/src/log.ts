import type { Logger } from '@audience-bridge/kit/log.ts'
import pino from 'pino'

/** A logger that keeps what it is given. */
export function captureLog(into: Record<string, unknown>[]): Logger {
  return pino(
    { messageKey: 'message', formatters: { level: (label) => ({ level: label }) } },
    { write: (line: string) => void into.push(JSON.parse(line)) },
  )
}
