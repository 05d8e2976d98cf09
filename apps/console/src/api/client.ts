import { ApiProblem, readProblem } from './problem.ts'

/** Above the gateway's own 30 s, so that its 504 arrives before we give up. */
const TIMEOUT_MS = 35_000

/** GETs JSON with the session cookie and nothing else: this page never holds a token. */
export function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  return send<T>(path, { method: 'GET' }, signal)
}

/** POSTs without a body, proving by the header that this page, not a foreign one, asks. */
export function postJson<T>(path: string, csrfToken: string): Promise<T> {
  return send<T>(path, { method: 'POST', headers: { 'x-csrf-token': csrfToken } })
}

async function send<T>(path: string, init: RequestInit, signal?: AbortSignal): Promise<T> {
  const headers = new Headers(init.headers)
  headers.set('accept', 'application/json')
  const timeout = AbortSignal.timeout(TIMEOUT_MS)

  let response: Response
  let body: unknown
  try {
    response = await fetch(path, {
      ...init,
      headers,
      credentials: 'same-origin',
      cache: 'no-store',
      // An edge that redirects API calls to a login page must not pass for an answer.
      redirect: 'error',
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    })
    body = parse(await response.text())
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw unreachable(timeout.aborted, cause)
  }

  const correlationId = response.headers.get('x-correlation-id') ?? undefined
  if (!response.ok) throw readProblem(response.status, body, correlationId)
  if (body === undefined) {
    throw new ApiProblem({
      code: 'ANSWER_INVALID',
      title: 'The answer could not be read',
      detail: `${path} answered ${response.status} without JSON.`,
      status: response.status,
      correlationId,
    })
  }
  return body as T
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function unreachable(timedOut: boolean, cause: unknown): ApiProblem {
  return new ApiProblem(
    {
      code: 'NETWORK',
      title: timedOut ? 'No answer in time' : 'The gateway cannot be reached',
      detail: timedOut
        ? `Nothing came back within ${TIMEOUT_MS / 1000} seconds.`
        : 'The connection failed before an answer came. Is the network up?',
    },
    cause,
  )
}
