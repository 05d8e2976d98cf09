import { nameSeen } from '../proxy/header-names.ts'
import { decimal } from '../proxy/letters.ts'

/**
 * The head of a backend's answer, read by what it accepts. Another reading than the backend's would
 * let one user's answer become the next one's (response smuggling, desynchronisation): whatever is
 * not plainly framed is invalid, and its connection ends.
 */
export interface ResponseHead {
  kind: 'head'
  status: number
  /** Names and values in turn, as they came. */
  headers: string[]
  headBytes: number
  /** Undefined: chunked, or until the connection ends. */
  length: number | undefined
  chunked: boolean
  /** The connection may serve once more. */
  reusable: boolean
  /** How long it may lie idle by the backend's word, in seconds. */
  idleSeconds: number | undefined
}

export type ResponseReading = ResponseHead | { kind: 'more' } | { kind: 'invalid'; reason: string }

/** As Node and undici have it. */
export const MAX_RESPONSE_HEAD_BYTES = 16_384

const MORE: ResponseReading = { kind: 'more' }
const invalid = (reason: string): ResponseReading => ({ kind: 'invalid', reason })

const CR = 13
const LF = 10
const TAB = 9
const SPACE = 0x20
const DELETE = 0x7f

/** @param text what has come so far, as Latin-1. */
export function readResponse(text: string): ResponseReading {
  const minor = text.charCodeAt(7) - 48
  if (!text.startsWith('HTTP/1.')) {
    return 'HTTP/1.'.startsWith(text) ? MORE : invalid('this is no HTTP/1 answer')
  }
  if (text.length < 13) return MORE
  const status = decimal(text.slice(9, 12), 3)
  if (minor !== 0 && minor !== 1) return invalid('the version is neither 1.0 nor 1.1')
  if (text.charCodeAt(8) !== SPACE || status === undefined || status < 100) {
    return invalid('the status is none')
  }
  let at = 12
  if (text.charCodeAt(at) === SPACE) at = valueEnd(text, at + 1)
  if (at + 1 >= text.length) return MORE
  if (text.charCodeAt(at) !== CR || text.charCodeAt(at + 1) !== LF) {
    return invalid('the status line holds a control character')
  }
  at += 2

  const headers: string[] = []
  let length: number | undefined
  let chunked = false
  let reusable = minor === 1
  let idleSeconds: number | undefined
  while (text.charCodeAt(at) !== CR) {
    const colon = text.indexOf(':', at)
    if (colon === -1) return text.indexOf('\n', at) === -1 ? MORE : invalid('a field has no colon')
    const { name, lower, isToken } = nameSeen(text.slice(at, colon))
    if (!isToken) return invalid("a field's name holds what no name may")
    at = valueEnd(text, colon + 1)
    if (at + 1 >= text.length) return MORE
    if (text.charCodeAt(at) !== CR || text.charCodeAt(at + 1) !== LF) {
      return invalid("a field's value holds a control character")
    }
    const value = trimmed(text, colon + 1, at)
    at += 2
    headers.push(name, value)
    switch (lower) {
      case 'content-length': {
        const given = decimal(value, 15)
        if (given === undefined || length !== undefined) return invalid('the length is none')
        length = given
        break
      }
      case 'transfer-encoding':
        if (chunked || minor === 0 || value.toLowerCase() !== 'chunked') {
          return invalid('the transfer coding is not just "chunked"')
        }
        chunked = true
        break
      case 'connection':
        if (names(value, 'close')) reusable = false
        break
      case 'keep-alive':
        idleSeconds = timeoutOf(value) ?? idleSeconds
        break
    }
  }
  if (at + 1 >= text.length) return MORE
  if (text.charCodeAt(at + 1) !== LF) return invalid('a line ends with a carriage return alone')
  // Whoever believes the other one reads another answer.
  if (chunked && length !== undefined) return invalid('two framings')
  const headBytes = at + 2
  return { kind: 'head', status, headers, headBytes, length, chunked, reusable, idleSeconds }
}

/** Where the text that may stand in a value ends. */
function valueEnd(text: string, from: number): number {
  let at = from
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if ((code < SPACE && code !== TAB) || code === DELETE) break
  }
  return at
}

function trimmed(text: string, from: number, to: number): string {
  let start = from
  let end = to
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

const isBlank = (code: number) => code === SPACE || code === TAB

/** Whether a list names `token`. */
function names(list: string, token: string): boolean {
  return list.split(',').some((part) => part.trim().toLowerCase() === token)
}

function timeoutOf(value: string): number | undefined {
  const at = value.toLowerCase().indexOf('timeout=')
  if (at === -1) return undefined
  const seconds = Number.parseInt(value.slice(at + 'timeout='.length), 10)
  return Number.isNaN(seconds) ? undefined : seconds
}
