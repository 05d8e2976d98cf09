import type { Reach } from '../reach.ts'
import type { Upstreams } from './upstream.ts'

/**
 * Asks an upstream whether it is well: a plain GET, without any token.
 *
 * @returns why it is not; undefined: it is.
 */
export async function checkHealth(
  upstreams: Upstreams,
  base: URL,
  reach: Reach,
  path: string,
  timeoutMs: number,
  stopping: AbortSignal,
): Promise<string | undefined> {
  const answer = await upstreams.send(base.origin, {
    method: 'GET',
    path,
    headers: ['User-Agent', 'audience-bridge-health-check'],
    body: undefined,
    connectTimeoutMs: timeoutMs,
    headTimeoutMs: timeoutMs,
    pauseTimeoutMs: timeoutMs,
    reach,
    signal: AbortSignal.any([stopping, AbortSignal.timeout(timeoutMs)]),
  })
  if (answer.kind === 'response') {
    // Its connection is wanted back, and one without an end is not.
    answer.body.on('error', () => {}).resume()
    return answer.status < 400 ? undefined : `the health check answered ${answer.status}`
  }
  return 'reason' in answer
    ? `health check: ${answer.kind}: ${answer.reason}`
    : 'health check: no answer in time'
}
