/**
 * The one reading of a request's target. A path that two parties could read in two ways is refused:
 * the gateway would authorise one reading and the backend would serve the other.
 */

export type ReadTarget =
  | {
      kind: 'path'
      /** Normalised, starts with `/`. */
      path: string
      /** With its `?`, or empty; never touched. */
      query: string
    }
  | { kind: 'refused'; reason: string }

const UNRESERVED = /^[A-Za-z0-9._~-]$/
/** RFC 3986 §3.3 pchar and `/`, without what is percent-encoded. */
const PATH_BYTES = /^[A-Za-z0-9._~!$&'()*+,;=:@%/-]*$/
const PLAIN_PATH = /^(\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+\/?$/
const QUERY_BYTES = /^[\x21\x22\x24-\x5B\x5D-\x7E\\]*$/

/** Reads an origin-form target (RFC 9112 §3.2.1); the other forms are refused. */
export function readTarget(target: string): ReadTarget {
  if (!target.startsWith('/')) return refuse('the target is not in origin form')
  const mark = target.indexOf('?')
  const rawPath = mark === -1 ? target : target.slice(0, mark)
  const query = mark === -1 ? '' : target.slice(mark)
  if (!QUERY_BYTES.test(query)) return refuse('the query holds a character that must be encoded')
  // The common case needs no second look.
  if (PLAIN_PATH.test(rawPath) || rawPath === '/') return { kind: 'path', path: rawPath, query }
  return readUnusualPath(rawPath, query)
}

function readUnusualPath(rawPath: string, query: string): ReadTarget {
  // A backslash is a slash to some servers; a fragment or control character ends the path for others.
  if (!PATH_BYTES.test(rawPath)) return refuse('the path holds a character that must be encoded')
  // `//host/x` is an authority to a URL parser, and merged slashes change which rule matches.
  if (rawPath.includes('//')) return refuse('the path holds an empty segment')

  let path = ''
  for (let i = 0; i < rawPath.length; i++) {
    const char = rawPath.charAt(i)
    if (char !== '%') {
      path += char
      continue
    }
    const hex = rawPath.slice(i + 1, i + 3)
    if (!/^[0-9A-Fa-f]{2}$/.test(hex))
      return refuse('the path holds an incomplete percent-encoding')
    const code = Number.parseInt(hex, 16)
    const decoded = String.fromCharCode(code)
    // An encoded separator is one segment to the gateway and two to a backend that decodes first.
    if (decoded === '/' || decoded === '\\') return refuse('the path holds an encoded slash')
    // A NUL or a line break truncates or splits the path further on.
    if (code < 0x20 || code === 0x7f) return refuse('the path holds an encoded control character')
    path += UNRESERVED.test(decoded) ? decoded : `%${hex.toUpperCase()}`
    i += 2
  }

  // `%252e`, also written `%25%32e`: whoever decodes twice reads `.`.
  if (/%25[0-9A-Fa-f]{2}/.test(path)) return refuse('the path is encoded twice')
  // `%C0%AE` is `.` to a lenient decoder, and any other charset makes another text of the bytes.
  if (!isUtf8(path)) return refuse('the path is not UTF-8')
  // `/admin;a=1` is `/admin` to servers that cut path parameters off: it would pass by the route of
  // `/admin` here and reach it there.
  if (/;|%3B/.test(path)) return refuse('the path holds a path parameter')
  for (const segment of path.split('/')) {
    // `..%20`, `..%23` and `..%3F` are `..` to servers that trim, or read a fragment or query out of
    // what they decoded.
    const bare = segment.split(/%(?:20|23|3F)/, 1)[0]
    if (bare === '.' || bare === '..') return refuse('the path holds a dot segment')
  }
  return { kind: 'path', path, query }
}

function isUtf8(path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}

const refuse = (reason: string): ReadTarget => ({ kind: 'refused', reason })
