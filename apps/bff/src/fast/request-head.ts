import type { IncomingHttpHeaders } from 'node:http'
import { nameSeen } from '../proxy/header-names.ts'
import { type Passing, passOn } from '../proxy/headers.ts'
import { decimal, isHost, isToken, TARGET } from '../proxy/letters.ts'
import { fieldLines } from './field-lines.ts'
import { FieldsKnown } from './fields-known.ts'

/**
 * Recognises a simple request in its canonical form, by what it accepts: every byte must be one that
 * all HTTP parsers read in the same way. It never decides what is invalid. Whatever it does not
 * recognise it declines, and Node's own parser reads or refuses those very bytes; so there is no
 * request that two parties here could read in two ways (request smuggling).
 */
export interface SimpleRequest {
  kind: 'request'
  method: string
  target: string
  fields: Fields
  headBytes: number
}

/** What the fields of a head say, whatever the line above them. */
export interface Fields {
  /** Names and values in turn, as they came. */
  rawHeaders: readonly string[]
  /** By lower-case name; no name came twice. */
  headers: Readonly<IncomingHttpHeaders>
  /** The client wants to go on with this connection. */
  keepAlive: boolean
  bodyBytes: number
  passing: Passing
  /** The fields that pass, as they are written. */
  passingText: string
}

export type RequestReading =
  | SimpleRequest
  /** So far canonical, and not yet complete. */
  | { kind: 'more' }
  | { kind: 'declined' }

/** Longer heads are declined; Node itself takes twice as much. */
export const MAX_HEAD_BYTES = 8192
const MAX_FIELDS = 64

const MORE = { kind: 'more' } as const
const DECLINED = { kind: 'declined' } as const

/** OPTIONS is declined: preflights are not for backends. */
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD']
const VERSION = 'HTTP/1.1\r\n'

/**
 * By which the request means more than "one message, one answer", or is framed in another way than
 * by its length. `Set-Cookie` is a list to Node whatever it holds.
 */
const DECLINED_FIELDS = new Set([
  'transfer-encoding',
  'upgrade',
  'expect',
  'te',
  'trailer',
  'keep-alive',
  'proxy-connection',
  'http2-settings',
  'set-cookie',
])

const CR = 13
const LF = 10
const SPACE = 0x20
const TILDE = 0x7e

/** @param text what has come so far, as Latin-1. */
export function readRequest(text: string): RequestReading {
  const methodEnd = text.indexOf(' ')
  if (methodEnd === -1) return METHODS.some((method) => method.startsWith(text)) ? MORE : DECLINED
  const method = METHODS.find((known) => known.length === methodEnd && text.startsWith(known))
  if (method === undefined) return DECLINED

  const targetAt = methodEnd + 1
  let at = targetAt
  while (TARGET[text.charCodeAt(at)] === 1) at++
  if (at === text.length) return MORE
  const target = text.slice(targetAt, at)
  if (text.charCodeAt(at) !== SPACE || !target.startsWith('/')) return DECLINED
  at++
  if (!text.startsWith(VERSION, at)) return restOf(text, at, VERSION)
  at += VERSION.length

  const fieldsEnd = text.indexOf('\r\n\r\n', at)
  if (fieldsEnd === -1) {
    const reading = readFields(text, at)
    return reading.kind === 'fields' ? DECLINED : reading
  }
  const block = text.slice(at, fieldsEnd + 2)
  let fields = KNOWN.get(block)
  if (fields === undefined) {
    const reading = readFields(text, at)
    if (reading.kind !== 'fields') return reading
    fields = reading.fields
    KNOWN.set(block, fields)
  }
  return { kind: 'request', method, target, fields, headBytes: fieldsEnd + 4 }
}

/** A browser says the same in request after request: all of it is read once. */
const KNOWN = new FieldsKnown()

type FieldsReading = { kind: 'fields'; fields: Fields } | { kind: 'more' } | { kind: 'declined' }

function readFields(text: string, from: number): FieldsReading {
  const rawHeaders: string[] = []
  const headers: IncomingHttpHeaders = {}
  let at = from
  let keepAlive = true
  let bodyBytes = 0
  for (;;) {
    if (text.charCodeAt(at) === CR) break
    const colon = text.indexOf(':', at)
    if (colon === -1) return isToken(text.slice(at)) || at === text.length ? MORE : DECLINED
    const { name, lower, isToken: isName } = nameSeen(text.slice(at, colon))
    if (!isName) return DECLINED
    at = text.charCodeAt(colon + 1) === SPACE ? colon + 2 : colon + 1
    const valueAt = at
    let code = text.charCodeAt(at)
    while (code >= SPACE && code <= TILDE) code = text.charCodeAt(++at)
    if (at >= text.length - 1) return at === text.length || code === CR ? MORE : DECLINED
    if (code !== CR || text.charCodeAt(at + 1) !== LF) return DECLINED
    // White space around a value is trimmed by some and kept by others.
    if (at === valueAt || text.charCodeAt(valueAt) === SPACE) return DECLINED
    if (text.charCodeAt(at - 1) === SPACE) return DECLINED
    const value = text.slice(valueAt, at)
    at += 2

    // Two fields of one name are joined, dropped or refused, each by another rule.
    if (headers[lower] !== undefined || rawHeaders.length === 2 * MAX_FIELDS) return DECLINED
    headers[lower] = value
    rawHeaders.push(name, value)
    if (DECLINED_FIELDS.has(lower)) return DECLINED
    if (lower === 'content-length') {
      const length = decimal(value, 7)
      if (length === undefined) return DECLINED
      bodyBytes = length
    } else if (lower === 'connection') {
      const wish = value.toLowerCase()
      // Anything else names fields of this hop, or another protocol.
      if (wish !== 'keep-alive' && wish !== 'close') return DECLINED
      keepAlive = wish === 'keep-alive'
    }
  }
  if (at + 1 === text.length) return MORE
  if (text.charCodeAt(at + 1) !== LF) return DECLINED
  if (headers.host === undefined || !isHost(headers.host)) return DECLINED
  const passing = passOn(rawHeaders)
  // Shared by all requests that say the same: what one of them wrote here, the next would read.
  Object.freeze(headers)
  Object.freeze(rawHeaders)
  const fields = { rawHeaders, headers, keepAlive, bodyBytes, passing }
  return { kind: 'fields', fields: { ...fields, passingText: fieldLines(passing.fields) } }
}

/** Whether what stands at `at` may still become `expected`. */
const restOf = (text: string, at: number, expected: string): RequestReading =>
  expected.startsWith(text.slice(at)) ? MORE : DECLINED
