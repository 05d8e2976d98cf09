import type { IncomingHttpHeaders } from 'node:http'
import { nameSeen } from './header-names.ts'

/** What a message says of the hops that it has passed, and may still pass (RFC 9110 §7.6). */

/**
 * Whether `Via` tells that a request was here before. The attack, or the slip: a `base_url` that leads
 * back to the gateway makes one request of a stranger as many as time allows.
 */
export function wasHere(via: string | undefined, pseudonym: string | false): boolean {
  if (via === undefined || pseudonym === false || !via.includes(pseudonym)) return false
  return via.split(',').some((hop) => hop.trim().split(/[ \t]+/)[1] === pseudonym)
}

/** The facts of `X-Forwarded-*` in the words of RFC 7239. */
export function forwardedValue(addresses: string, proto: string, host: string): string {
  const [first = '', ...more] = addresses.split(',').map((address) => nodeOf(address.trim()))
  const hops = more.map((address) => `, for=${address}`).join('')
  return `for=${first};proto=${proto};host=${quoted(host)}${hops}`
}

const nodeOf = (address: string) =>
  /^[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*$/i.test(address) ? `"[${address}]"` : quoted(address)

/** As a token where it is one; what would end the quotes never gets in. */
const quoted = (text: string) =>
  /^[A-Za-z0-9.!#$%&'*+^_`|~-]+$/.test(text) ? text : `"${text.replace(/["\\]/g, '')}"`

/**
 * How many hops a request may still make; undefined: as many as it takes. Only of OPTIONS: for
 * TRACE, which has it too, nobody is asked (RFC 9110 §7.6.2).
 */
export function hopsLeft(method: string, headers: IncomingHttpHeaders): number | undefined {
  const value = headers['max-forwards']
  if (method !== 'OPTIONS' || typeof value !== 'string' || !/^\d{1,9}$/.test(value))
    return undefined
  return Number(value)
}

/** The client would look at a trailer (RFC 9110 §10.1.4). */
export const wantsTrailers = ({ te }: IncomingHttpHeaders): boolean =>
  String(te ?? '')
    .split(',')
    .some((coding) => coding.trim().toLowerCase() === 'trailers')

/** By which a recipient that merges trailers into the head would read another answer (RFC 9110 §6.5.1). */
const OF_THE_HEAD = new Set([
  ...['age', 'date', 'expires', 'pragma', 'retry-after', 'vary', 'warning', 'x-frame-options'],
  ...[
    'www-authenticate',
    'authentication-info',
    'x-content-type-options',
    'via',
    'link',
    'refresh',
  ],
])

/** The fields of a backend's trailer that reach the client. */
export function returnTrailers(
  trailers: Readonly<Record<string, string | readonly string[] | undefined>>,
): Record<string, string[]> {
  const kept: Record<string, string[]> = {}
  for (const [name, value] of Object.entries(trailers)) {
    const { lower, isToken, returns } = nameSeen(name)
    if (value === undefined || !isToken || returns !== 'always') continue
    if (lower.startsWith('content-') || OF_THE_HEAD.has(lower)) continue
    // What cannot be written would throw, in nobody's hands.
    const values = [value].flat().filter((text) => /^[\t\x20-\x7e\x80-\xff]*$/.test(text))
    if (values.length > 0) kept[name] = values
  }
  return kept
}
