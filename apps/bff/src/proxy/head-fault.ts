import type { IncomingMessage } from 'node:http'
import { isHost } from './letters.ts'

/**
 * What Node's parser lets pass of a request of HTTP/1, and others on the way may read in another way
 * (RFC 9112 §2.3, §3.2, §6.1).
 */
export function headFault(req: IncomingMessage): string | undefined {
  const { headers, httpVersion, rawHeaders } = req
  if (!isHost(headers.host ?? '')) return 'the Host header holds no host'
  // Each server on the way may believe another one.
  const hosts = rawHeaders.filter((text, i) => i % 2 === 0 && text.toLowerCase() === 'host')
  if (hosts.length > 1) return 'the Host header came more than once'
  // Of HTTP/2 itself.
  if ('stream' in req) return undefined
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'the version is neither 1.0 nor 1.1'
  // Who knows no chunks believes that the next request begins where they do.
  if (httpVersion === '1.0' && headers['transfer-encoding'] !== undefined) {
    return 'HTTP/1.0 has no Transfer-Encoding'
  }
  return undefined
}
