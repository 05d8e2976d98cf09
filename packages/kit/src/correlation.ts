import { randomUUID } from 'node:crypto'

const ACCEPTED = /^[A-Za-z0-9._-]{8,128}$/

/**
 * The caller's correlation id if it is harmless to log and to send on, otherwise a new one.
 * Anything else could forge log lines or split headers.
 */
export function correlationIdFrom(header: string | string[] | undefined): string {
  return typeof header === 'string' && ACCEPTED.test(header) ? header : randomUUID()
}
