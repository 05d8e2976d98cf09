import { sessionResponse } from '@audience-bridge/contracts/session.ts'
import { createCookieJar } from '@audience-bridge/kit/cookie-jar.ts'
import { findLoginForm } from '@audience-bridge/kit/login-form.ts'

/**
 * One browser with one user in it: signs in through the real pages and redirects, then calls the
 * BFF with cookies and the CSRF token alone. It never sees a token, because no browser does.
 */
export interface BrowserSession {
  /** Whether the last answer gave no reason to think otherwise. */
  signedIn(): boolean
  /** @throws Error that says where the sign-in stopped; never with the password. */
  signIn(): Promise<void>
  /** Calls the BFF; `path` starts with `/`. Never throws on a status, only when there is no answer. */
  api(method: string, path: string, body?: unknown): Promise<ApiAnswer>
}

export interface ApiAnswer {
  status: number
  /** Undefined when the answer is no JSON. */
  body: unknown
}

export interface BrowserOptions {
  bffUrl: string
  username: string
  password: string
  signal: AbortSignal
  timeoutMs?: number
}

type Arrival =
  /** The BFF's callback sent the browser on: signed in, at this origin. */
  { kind: 'signed_in'; origin: string } | { kind: 'page'; url: URL; status: number; html: string }

const MAX_REDIRECTS = 20
const CALLBACK = '/auth/callback'
const SESSION_LOST = new Set(['SESSION_REQUIRED', 'SESSION_EXPIRED', 'CSRF_REJECTED'])

export function createBrowserSession(options: BrowserOptions): BrowserSession {
  const { username, password, timeoutMs = 15_000 } = options
  const jar = createCookieJar()
  let origin = new URL(options.bffUrl).origin
  let csrfToken: string | undefined

  const send = async (url: URL, init: RequestInit & { headers?: Record<string, string> }) => {
    const cookie = jar.header(url)
    const response = await fetch(url, {
      ...init,
      headers: { ...init.headers, ...(cookie && { cookie }), 'user-agent': 'demo-traffic' },
      redirect: 'manual',
      signal: AbortSignal.any([options.signal, AbortSignal.timeout(timeoutMs)]),
    })
    jar.store(url, response.headers.getSetCookie())
    return response
  }

  const navigate = async (
    start: URL,
    init: RequestInit & { headers?: Record<string, string> } = {},
  ): Promise<Arrival> => {
    let url = start
    let step = init
    for (let redirects = 0; redirects < MAX_REDIRECTS; redirects++) {
      const response = await send(url, step)
      const location = response.headers.get('location')
      if (response.status < 300 || response.status > 399 || location === null) {
        return { kind: 'page', url, status: response.status, html: await response.text() }
      }
      await response.body?.cancel()
      if (url.pathname === CALLBACK) return { kind: 'signed_in', origin: url.origin }
      url = new URL(location, url)
      step = {}
    }
    throw new Error(`more than ${MAX_REDIRECTS} redirects, the last one to ${place(url)}`)
  }

  const submit = (arrival: Extract<Arrival, { kind: 'page' }>): Promise<Arrival> => {
    const form = arrival.status === 200 ? findLoginForm(arrival.html, arrival.url) : undefined
    if (form === undefined) {
      throw new Error(`no sign-in form at ${place(arrival.url)} (status ${arrival.status})`)
    }
    const body = new URLSearchParams([
      ...form.fields,
      ['username', username],
      ['password', password],
    ])
    return navigate(form.action, { method: 'POST', body, headers: { origin: arrival.url.origin } })
  }

  const api = async (method: string, path: string, body?: unknown): Promise<ApiAnswer> => {
    const safe = method === 'GET' || method === 'HEAD'
    const response = await send(new URL(path, origin), {
      method,
      headers: {
        accept: 'application/json',
        ...(safe ? {} : { origin, ...(csrfToken && { 'x-csrf-token': csrfToken }) }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const answer = { status: response.status, body: parseJson(await response.text()) }
    if (SESSION_LOST.has(codeOf(answer.body))) csrfToken = undefined
    return answer
  }

  return {
    signedIn: () => csrfToken !== undefined,
    api,
    async signIn() {
      let arrival = await navigate(new URL('/auth/login?return_to=/', origin))
      if (arrival.kind === 'page') arrival = await submit(arrival)
      if (arrival.kind === 'page') {
        throw new Error(
          `the sign-in of ${username} ended at ${place(arrival.url)} (${arrival.status})`,
        )
      }
      origin = arrival.origin
      const session = sessionResponse.safeParse((await api('GET', '/api/auth/session')).body)
      if (!session.success || !session.data.authenticated) {
        throw new Error(`${username} came back from the sign-in without a session`)
      }
      csrfToken = session.data.csrf_token
    },
  }
}

/** The problem's code, or an empty text. */
export function codeOf(body: unknown): string {
  return typeof body === 'object' && body !== null && 'code' in body ? String(body.code) : ''
}

/** Without query: there are codes and states in it. */
function place({ origin, pathname }: URL): string {
  return `${origin}${pathname}`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
