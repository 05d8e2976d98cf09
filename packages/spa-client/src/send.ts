import type { Address } from './address.ts'
import { ApiError, readError } from './error.ts'
import type { Sessions } from './session.ts'

/** Longer than this nobody waits for an outage to end. */
const MAX_RETRY_SECONDS = 30
/** Called too often, or somebody is away: it passes. */
const PASSING = new Set([429, 503])
const CSRF_HEADER = 'x-csrf-token'

export interface RequestOptions extends RequestInit {
  /** Asks once more after a 429 or 503 with `Retry-After` of up to 30 s; GET and HEAD only. */
  retry?: 'once'
}

export interface Sender {
  /** @throws ApiError */
  send(path: string, options: RequestOptions): Promise<Response>
  isSafe(method: string | undefined): boolean
}

/** Sends requests with the cookie and what the BFF asks for besides; never a token. */
export function createSender(address: Address, sessions: Sessions): Sender {
  async function attempt(path: string, init: RequestInit): Promise<Response> {
    let response: Response
    try {
      response = await globalThis.fetch(address.api(path), {
        ...init,
        credentials: address.isForeign ? 'include' : 'same-origin',
        // The attack and the accident: an edge that redirects calls to a login page would turn a
        // lost session into a page of HTML with status 200.
        redirect: 'error',
      })
    } catch (cause) {
      const { name } = cause as Error
      if (init.signal?.aborted || name === 'AbortError' || name === 'TimeoutError') throw cause
      throw new ApiError(
        'NETWORK',
        0,
        {
          title: 'The gateway cannot be reached',
          detail: 'No answer came. Is the network up?',
        },
        { cause },
      )
    }
    // 304 is an answer to a caller that sent `If-None-Match`.
    if (response.status < 400) return response
    throw await readError(response)
  }

  async function send(path: string, { retry, ...init }: RequestOptions): Promise<Response> {
    const method = (init.method ?? 'GET').toUpperCase()
    const headers = new Headers(init.headers)
    if (headers.has('authorization')) {
      throw new TypeError('the BFF adds the access token; send no Authorization header')
    }
    const request = { ...init, method, headers }
    if (isSafe(method)) {
      return attempt(path, request).catch(async (error) => {
        const seconds = PASSING.has(error.status) && error.retryAfterSeconds
        if (retry !== 'once' || typeof seconds !== 'number' || seconds > MAX_RETRY_SECONDS) {
          throw error
        }
        // Spread, or all pages would come back in the same moment.
        await sleep((seconds + Math.random() / 2) * 1000, init.signal)
        return attempt(path, request)
      })
    }

    await prove(headers)
    return attempt(path, request).catch(async (error) => {
      if (error.code !== 'CSRF_REJECTED' || error.status !== 403) throw error
      sessions.refused(headers.get(CSRF_HEADER))
      // A stream is spent.
      if (init.body instanceof ReadableStream) throw error
      await prove(headers)
      return attempt(path, request)
    })
  }

  async function prove(headers: Headers): Promise<void> {
    const user = sessions.user()
    const token = await sessions.csrfToken()
    // The accident: what one person filled in is sent in the name of another, who signed in
    // meanwhile in another tab.
    const now = sessions.user()
    if (user !== undefined && now !== undefined && user !== now) {
      throw new ApiError('USER_CHANGED', 0, {
        title: 'Somebody else is signed in',
        detail: 'Another user is signed in now, so this was not sent. Load the page again.',
      })
    }
    if (token !== undefined) headers.set(CSRF_HEADER, token)
  }

  return { send, isSafe }
}

function isSafe(method = 'GET'): boolean {
  return /^(GET|HEAD)$/i.test(method)
}

function sleep(ms: number, signal: AbortSignal | null | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', abort)
  })
}
