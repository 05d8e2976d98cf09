import { connect } from 'node:net'

export interface RawAnswer {
  status: number
  /** By lower-case name; the values of a repeated field in their order. */
  headers: Map<string, string[]>
  body: string
}

/**
 * Sends bytes as they are and reads the answer until the connection ends: for requests that no HTTP
 * client would write. Head and body in `text` are Latin-1.
 */
export function sendRaw(origin: string, text: string, timeoutMs = 10_000): Promise<RawAnswer> {
  const { hostname, port } = new URL(origin)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(Number(port), hostname, () => socket.write(text, 'latin1'))
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error('no answer in time')))
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.once('error', reject)
    socket.once('close', () => {
      const whole = Buffer.concat(chunks).toString('utf8')
      if (whole === '') reject(new Error('the connection ended without an answer'))
      else resolve(parseAnswer(whole))
    })
  })
}

/** As Node's `fetch` calls itself: a session that a visitor began is bound to it. */
export const VISITOR_AGENT = 'node'

/** One request with `Connection: close`; `head` holds further lines, each with its name and value. */
export function rawRequest(
  origin: string,
  method: string,
  target: string,
  head: readonly (readonly [string, string])[] = [],
  body = '',
  host = new URL(origin).host,
): Promise<RawAnswer> {
  const lines = head.map(([name, value]) => `${name}: ${value}`)
  const defaults = [
    ['Connection', 'close'],
    ['User-Agent', VISITOR_AGENT],
  ].filter(([own]) => !head.some(([name]) => name.toLowerCase() === own?.toLowerCase()))
  return sendRaw(
    origin,
    [
      `${method} ${target} HTTP/1.1`,
      `Host: ${host}`,
      ...defaults.map(([name, value]) => `${name}: ${value}`),
      ...lines,
      ...(body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body, 'latin1')}`]),
      '',
      body,
    ].join('\r\n'),
  )
}

function parseAnswer(whole: string): RawAnswer {
  const split = whole.indexOf('\r\n\r\n')
  const [first = '', ...lines] = whole.slice(0, split).split('\r\n')
  const headers = new Map<string, string[]>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    headers.set(name, [...(headers.get(name) ?? []), line.slice(colon + 1).trim()])
  }
  return { status: Number(first.split(' ')[1]), headers, body: whole.slice(split + 4) }
}
