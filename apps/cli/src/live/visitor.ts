import { createCookieJar } from '@audience-bridge/kit/cookie-jar.ts'
import { findLoginForm } from '@audience-bridge/kit/login-form.ts'
import { CouldNotRun } from '../outcome.ts'

const TIMEOUT_MS = 15_000
const MAX_REDIRECTS = 20

/** A browser's part in the flow: cookies and redirects, nothing else. */
export interface CliVisitor {
  fetch(
    path: string,
    init?: { method?: string; headers?: Record<string, string> },
  ): Promise<Response>
  signIn(username: string, password: string, correlationId: string): Promise<SignIn>
  /**
   * @param head the `Cookie` header of a session, with or without its name; beside it, on a line of its
   *   own, the `User-Agent` of the browser that the session is bound to.
   */
  useCookies(head: string): void
}

/** How a sign-in ended: with a session, or at a page that says why not. */
export type SignIn =
  | { kind: 'signed_in' }
  | { kind: 'failed'; status: number; correlationId: string | undefined; detail: string }

export function createVisitor(url: string, timeoutMs = TIMEOUT_MS): CliVisitor {
  const jar = createCookieJar()
  let fixed: Record<string, string> | undefined

  const send = async (to: URL, init: RequestInit & { headers?: Record<string, string> } = {}) => {
    const cookie = jar.header(to)
    const own = (to.origin === url ? fixed : undefined) ?? (cookie ? { cookie } : {})
    let response: Response
    try {
      response = await fetch(to, {
        ...init,
        headers: { ...own, ...init.headers },
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutMs),
      })
    } catch (cause) {
      const why =
        cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause)
      throw new CouldNotRun(
        `${to.origin} does not answer (${why}); is it running, and is --url right?`,
      )
    }
    jar.store(to, response.headers.getSetCookie())
    return response
  }

  const follow = async (first: Response, until: (at: URL) => boolean): Promise<Response> => {
    let response = first
    for (let hop = 0; hop < MAX_REDIRECTS; hop++) {
      const location = response.headers.get('location')
      if (location === null || until(new URL(response.url))) return response
      response = await send(new URL(location, response.url))
    }
    throw new CouldNotRun('the sign-in redirects without an end')
  }

  return {
    fetch: (path, init) => send(new URL(path, url), init),
    useCookies(head) {
      fixed = {}
      for (const line of head.split('\n').map((text) => text.trim())) {
        const [, agent] = /^user-agent:\s*(.*)$/i.exec(line) ?? []
        if (agent !== undefined) fixed['user-agent'] = agent
        else if (line !== '') fixed.cookie = line.replace(/^cookie:\s*/i, '')
      }
    },
    async signIn(username, password, correlationId) {
      const atCallback = ({ origin, pathname }: URL) =>
        origin === url && pathname === '/auth/callback'
      const begun = await send(new URL('/auth/login?return_to=/', url), {
        headers: { 'x-correlation-id': correlationId },
      })
      const page = await follow(begun, atCallback)
      const html = await page.text()
      const form = findLoginForm(html, new URL(page.url))
      if (form === undefined) return failed(page, html)
      const posted = await send(form.action, {
        method: 'POST',
        body: new URLSearchParams([...form.fields, ['username', username], ['password', password]]),
      })
      const landed = await follow(posted, atCallback)
      if (atCallback(new URL(landed.url)) && landed.status === 302) return { kind: 'signed_in' }
      return failed(landed, await landed.text())
    },
  }
}

function failed(response: Response, body: string): SignIn {
  const title = /<title>([^<]*)<\/title>/i.exec(body)?.[1]
  return {
    kind: 'failed',
    status: response.status,
    correlationId: response.headers.get('x-correlation-id') ?? undefined,
    detail: `${new URL(response.url).pathname}: ${title ?? body.slice(0, 300)}`,
  }
}
