/** Sets of characters as tables by code; all of them ASCII. */

const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** 1 at each code of `chars`. Latin-1, so that every byte has its place. */
function table(chars: string): Uint8Array {
  const codes = new Uint8Array(256)
  for (const char of chars) codes[char.charCodeAt(0)] = 1
  return codes
}

/** Of a header's name (RFC 9110 §5.6.2). */
export const TOKEN = table(`${ALPHANUMERIC}!#$%&'*+-.^_\`|~`)

/** Of a target in origin form: RFC 3986 `pchar`, `/` and `?`. */
export const TARGET = table(`${ALPHANUMERIC}-._~%!$&'()*+,;=:@/?`)

export const isToken = (text: string): boolean => text !== '' && all(text, TOKEN)

function all(text: string, letters: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (letters[text.charCodeAt(i)] !== 1) return false
  return true
}

/** Of `Host` (RFC 9110 §7.2), without the comma: some take what has one for a list. */
export const isHost = (text: string): boolean =>
  /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+;=-]*)(:\d{0,5})?$/.test(text)

/** A decimal number of at most `digits` digits; undefined for anything else: no sign, no spaces. */
export function decimal(text: string, digits: number): number | undefined {
  if (text.length === 0 || text.length > digits) return undefined
  let value = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return value
}
