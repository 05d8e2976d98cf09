import type { IncomingHttpHeaders } from 'node:http'
import type { BffConfig } from '../config.ts'

/**
 * What a proxy in front asks of `/auth/verify`. It proves itself and names the request in one header,
 * `X-Edge-Secret: SECRET METHOD URI`.
 *
 * The attack (oauth2-proxy, 2026): a client sends `X-Forwarded-Uri` itself, the proxy passes it on,
 * and another request is judged than the one that is carried. Here the URI stands behind the secret,
 * in one value that no client can write: a proxy that forgets to overwrite a header asks for nothing.
 */
export type EdgeAsk =
  /** No token is asked for: who is signed in, and no more. */
  | { kind: 'identity' }
  | { kind: 'request'; method: string; uri: string; service: string | undefined }
  | { kind: 'untrusted'; fault: string }

const URI_HEADERS = ['x-forwarded-uri', 'x-original-uri'] as const
const METHOD_HEADERS = ['x-forwarded-method', 'x-original-method'] as const

/** @param peer the address at the other end of the connection. */
export function readEdgeAsk(
  headers: IncomingHttpHeaders,
  peer: string,
  config: Pick<BffConfig, 'bridge' | 'isEdgeSecret' | 'isTrustedProxy'>,
): EdgeAsk {
  const presented = headers['x-edge-secret']
  // Without the secret nothing that names a request is read: it would be the client's word.
  if (typeof presented !== 'string') return { kind: 'identity' }
  const { edge } = config.bridge.settings
  if (!edge?.tokens) return untrusted('X-Edge-Secret, and edge.tokens is off')
  if (!config.isTrustedProxy(peer)) {
    return untrusted(`X-Edge-Secret from ${peer}, which is not in server.trusted_proxies`)
  }
  const [secret = '', method, uri, ...more] = presented.split(' ')
  if (!config.isEdgeSecret(secret)) {
    return untrusted(`X-Edge-Secret from ${peer} with another secret than that of edge.secret`)
  }
  const uris = valuesOf(headers, URI_HEADERS)
  const methods = valuesOf(headers, METHOD_HEADERS)
  if (method !== undefined && uri !== undefined && more.length === 0) {
    uris.add(uri)
    methods.add(method)
  } else if (method !== undefined) {
    return untrusted('X-Edge-Secret with something else behind the secret than a method and a URI')
  } else if (!edge.trust_uri_headers) {
    return untrusted('X-Edge-Secret without the method and the URI behind the secret')
  }
  // Two names of one request: one of them is the client's.
  if (uris.size > 1) return untrusted('headers that name two URIs')
  if (methods.size > 1) return untrusted('headers that name two methods')
  const [onlyUri] = uris
  const [onlyMethod] = methods
  if (onlyUri === undefined || onlyMethod === undefined) {
    return untrusted('the secret, but no URI or no method')
  }
  const service = headers['x-edge-service']
  return {
    kind: 'request',
    method: onlyMethod,
    uri: onlyUri,
    service: typeof service === 'string' && service !== '' ? service : undefined,
  }
}

const untrusted = (fault: string): EdgeAsk => ({ kind: 'untrusted', fault })

/** What the headers of these names say; a field that came twice is its values with a comma, and so no other's. */
function valuesOf(headers: IncomingHttpHeaders, names: readonly string[]): Set<string> {
  return new Set(
    names.map((name) => headers[name]).filter((value) => typeof value === 'string' && value !== ''),
  ) as Set<string>
}
