import type { UpstreamResponse, Upstreams } from './upstream.ts'

/** What a backend said when it refused our token. */
export interface Rejection {
  code: 'AUDIENCE_MISMATCH' | 'TOKEN_REJECTED'
  /** Its `WWW-Authenticate`, for logs and administrators; never for the browser. */
  challenge: string | undefined
  /** The audience that it names in its metadata, when that is not ours. */
  backendAudience: string | undefined
}

const METADATA_TIMEOUT_MS = 1000
const METADATA_BYTES = 65_536
const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/**
 * Tells why: a backend that publishes RFC 9728 metadata says which audience it expects. It is asked
 * at its configured address alone: an address from the challenge could lead anywhere.
 */
export async function rejectionBy(
  upstreams: Upstreams,
  base: URL | undefined,
  answer: UpstreamResponse,
  audience: string,
): Promise<Rejection> {
  const challenge = headerOf(answer.headers, 'www-authenticate')?.slice(0, 1024)
  const expected = base === undefined ? undefined : await audienceOf(upstreams, base)
  const differs = expected !== undefined && expected !== audience
  return {
    code: differs ? 'AUDIENCE_MISMATCH' : 'TOKEN_REJECTED',
    challenge,
    backendAudience: differs ? expected : undefined,
  }
}

async function audienceOf(upstreams: Upstreams, base: URL): Promise<string | undefined> {
  const answer = await upstreams.send(base.origin, {
    method: 'GET',
    path: WELL_KNOWN,
    headers: ['Accept', 'application/json'],
    body: undefined,
    headTimeoutMs: METADATA_TIMEOUT_MS,
    pauseTimeoutMs: METADATA_TIMEOUT_MS,
    signal: AbortSignal.timeout(METADATA_TIMEOUT_MS),
  })
  if (answer.kind !== 'response') return undefined
  try {
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of answer.body) {
      bytes += (chunk as Buffer).length
      if (bytes > METADATA_BYTES) return undefined
      chunks.push(chunk as Buffer)
    }
    if (answer.status !== 200) return undefined
    const metadata: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
    const resource = (metadata as { resource?: unknown } | null)?.resource
    return typeof resource === 'string' ? resource : undefined
  } catch {
    return undefined
  }
}

function headerOf(raw: readonly string[], name: string): string | undefined {
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (raw[i]?.toLowerCase() === name) return raw[i + 1]
  }
  return undefined
}
