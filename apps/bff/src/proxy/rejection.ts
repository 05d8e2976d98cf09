import type { UpstreamSeen } from '@audience-bridge/chain/observation.ts'
import type { Reach } from '../reach.ts'
import { headerOf } from './headers.ts'
import type { AnswerHead, UpstreamResponse, Upstreams } from './upstream.ts'

/** What a backend said when it refused our token; for logs and administrators, never the browser. */
type Rejection = Pick<
  UpstreamSeen,
  | 'challenge'
  | 'challenge_error'
  | 'challenge_scope'
  | 'challenge_reason'
  | 'resource'
  | 'authorization_servers'
  | 'clock_ahead_seconds'
>

const METADATA_TIMEOUT_MS = 1000
const METADATA_BYTES = 65_536
const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/**
 * Tells why: a backend that publishes RFC 9728 metadata says which audience it expects and whom it
 * trusts. It is asked at its configured address alone: one from the challenge could lead anywhere.
 */
export async function rejectionBy(
  upstreams: Upstreams,
  base: URL | undefined,
  reach: Reach,
  answer: UpstreamResponse,
  now: number,
): Promise<Rejection> {
  const date = Date.parse(headerOf(answer.headers, 'date') ?? '')
  return {
    ...readChallenge(answer),
    ...(base === undefined ? {} : await readMetadata(upstreams, base, reach)),
    ...(Number.isNaN(date) ? {} : { clock_ahead_seconds: Math.round(date / 1000) - now }),
  }
}

/** The challenge of a 403: which scope the token lacked (RFC 6750 §3.1). */
export function scopeChallenge(answer: Pick<AnswerHead, 'headers'>): Rejection {
  return readChallenge(answer)
}

function readChallenge(answer: Pick<AnswerHead, 'headers'>): Rejection {
  const challenge = headerOf(answer.headers, 'www-authenticate')?.slice(0, 1024)
  if (challenge === undefined) return {}
  const parameter = (name: string) =>
    new RegExp(`[ ,]${name}="([^"\\\\]{0,512})"`, 'i').exec(challenge)?.[1]
  const parameters = {
    challenge_error: parameter('error'),
    challenge_scope: parameter('scope'),
    challenge_reason: parameter('reason'),
  }
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined)
  return { challenge, ...Object.fromEntries(given) }
}

/** What the backend says of itself (RFC 9728 §3); nothing when it says nothing. */
export async function readMetadata(
  upstreams: Upstreams,
  base: URL,
  reach: Reach,
): Promise<Pick<Rejection, 'resource' | 'authorization_servers'>> {
  const answer = await upstreams.send(base.origin, {
    method: 'GET',
    path: WELL_KNOWN,
    headers: ['Accept', 'application/json'],
    body: undefined,
    connectTimeoutMs: METADATA_TIMEOUT_MS,
    headTimeoutMs: METADATA_TIMEOUT_MS,
    pauseTimeoutMs: METADATA_TIMEOUT_MS,
    signal: AbortSignal.timeout(METADATA_TIMEOUT_MS),
    reach,
  })
  if (answer.kind !== 'response') return {}
  try {
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of answer.body) {
      bytes += (chunk as Buffer).length
      if (bytes > METADATA_BYTES) return {}
      chunks.push(chunk as Buffer)
    }
    if (answer.status !== 200) return {}
    const metadata: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
    if (typeof metadata !== 'object' || metadata === null) return {}
    const { resource, authorization_servers: servers } = metadata as Record<string, unknown>
    return {
      ...(typeof resource === 'string' ? { resource } : {}),
      ...(Array.isArray(servers) ? { authorization_servers: servers.map(String) } : {}),
    }
  } catch {
    return {}
  }
}
