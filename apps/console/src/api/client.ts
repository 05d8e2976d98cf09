import { ApiError, createClient, type SessionNews } from '@audience-bridge/spa-client/client.ts'
import { ApiProblem, readProblem } from './problem.ts'

export type { SessionNews } from '@audience-bridge/spa-client/client.ts'

/** Above the gateway's own 30 s, so that its 504 arrives before we give up. */
const TIMEOUT_MS = 35_000

/**
 * Sends the session cookie and nothing else: this page never holds a token. A lost session turns the
 * page into the sign-in screen, where a person presses the button; but a grant that is too narrow for
 * a service is widened on the way, which the person need not see.
 */
const client = createClient({ onSessionLost: () => false })

export function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  return callJson<T>('GET', path, signal)
}

/** Proves to the gateway that this page sent it; what fails stays on the screen. */
export function postJson<T>(path: string): Promise<T> {
  return callJson<T>('POST', path, undefined)
}

/** Ends what `path` names. */
export async function deleteAt(path: string): Promise<void> {
  try {
    await client.fetch(path, { method: 'DELETE', headers: { accept: 'application/json' } })
  } catch (cause) {
    throw problemFrom(cause, false)
  }
}

/** Tells of the session's end, and of what else happens to it, as it happens. */
export function watchSession(listener: (news: SessionNews) => void): () => void {
  return client.watch(listener)
}

async function callJson<T>(
  method: string,
  path: string,
  signal: AbortSignal | undefined,
): Promise<T> {
  // The session ends before the page goes: what it still asked would only be refused.
  await leaving
  const timeout = AbortSignal.timeout(TIMEOUT_MS)
  let status: number
  let body: unknown
  try {
    const response = await client.fetch(path, {
      method,
      headers: { accept: 'application/json' },
      cache: 'no-store',
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    })
    status = response.status
    body = parse(await response.text())
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw problemFrom(cause, timeout.aborted)
  }
  if (body === undefined) {
    throw new ApiProblem({
      code: 'ANSWER_INVALID',
      title: 'The answer could not be read',
      detail: `${path} answered ${status} without JSON.`,
      status,
    })
  }
  return body as T
}

/** Leaves for the login, to come back to what is on the screen now. */
export function login(): void {
  client.login()
}

/** Resolves should the page stay after all; undefined unless it is signing out. */
let leaving: Promise<void> | undefined

/** Ends the session here and follows to where the IdP's own session ends. */
export async function logout(): Promise<void> {
  const stays = Promise.withResolvers<void>()
  leaving = stays.promise
  try {
    await client.logout()
  } catch (cause) {
    leaving = undefined
    stays.resolve()
    throw problemFrom(cause, false)
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function problemFrom(cause: unknown, timedOut: boolean): ApiProblem {
  if (cause instanceof ApiError && cause.status > 0) {
    return readProblem(cause.status, cause.problem, cause.correlationId)
  }
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
