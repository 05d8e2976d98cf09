import { type SessionResponse, sessionResponse } from '@audience-bridge/contracts/session.ts'
import { type CookieJar, createCookieJar } from '@audience-bridge/kit/cookie-jar.ts'
import { findLoginForm } from '@audience-bridge/kit/login-form.ts'
import { Agent } from 'undici'

export interface Credentials {
  username: string
  password: string
}

/** As browsers resolve every name below `localhost` (RFC 6761 §6.3); the system need not. */
const loopback = new Agent({
  connect: { lookup: (_host, _options, told) => told(null, [{ address: '127.0.0.1', family: 4 }]) },
})

/** A browser's cookies and redirects without a browser; follows nothing that it is not told to. */
export class Visitor {
  readonly jar: CookieJar = createCookieJar()
  readonly bff: string
  readonly #heard: ((request: string, response: Response) => void) | undefined

  /** @param heard is told of every response of the BFF, as a copy of its own to read. */
  constructor(bff: string, heard?: (request: string, response: Response) => void) {
    this.bff = bff
    this.#heard = heard
  }

  /** The `Cookie` header that the BFF would get. */
  get cookie(): string {
    return this.jar.header(new URL(this.bff)) ?? ''
  }

  /** One request with the jar's cookies; redirects are answers. */
  async fetch(
    url: string,
    init: RequestInit & { headers?: Record<string, string> } = {},
  ): Promise<Response> {
    const at = new URL(url, this.bff)
    const cookie = this.jar.header(at)
    const response = await fetch(at, {
      ...init,
      ...(at.hostname.endsWith('.localhost') ? ({ dispatcher: loopback } as object) : {}),
      redirect: 'manual',
      headers: { ...(cookie ? { cookie } : {}), ...init.headers },
    })
    this.jar.store(at, response.headers.getSetCookie())
    if (at.origin === this.bff) {
      this.#heard?.(`${init.method ?? 'GET'} ${at.pathname}`, response.clone())
    }
    return response
  }

  /** Follows redirects until an answer that is none, or until `stop` says so of the next address. */
  async follow(first: Response, stop: (next: URL) => boolean = () => false): Promise<Response> {
    let response = first
    for (let hops = 0; hops < 20; hops++) {
      const location = response.headers.get('location')
      if (response.status < 300 || response.status >= 400 || location === null) return response
      const next = new URL(location, response.url)
      if (stop(next)) return response
      await response.body?.cancel()
      response = await this.fetch(next.href)
    }
    throw new Error('too many redirects')
  }

  /** Goes to /auth/login and on to the IdP's form; gives the page. */
  async openLogin(returnTo = '/'): Promise<Response> {
    const begun = await this.fetch(`/auth/login?return_to=${encodeURIComponent(returnTo)}`)
    return this.follow(begun)
  }

  /**
   * Fills the form of `page` and goes on to the BFF's answer to the callback.
   *
   * @param beforeCallback what happens while the browser is on its way back from the IdP.
   */
  async submitLogin(
    page: Response,
    { username, password }: Credentials,
    beforeCallback?: (callback: URL) => Promise<void> | void,
  ): Promise<Response> {
    const form = findLoginForm(await page.text(), new URL(page.url))
    if (form === undefined) throw new Error(`no login form at ${page.url} (${page.status})`)
    const posted = await this.fetch(form.action.href, {
      method: 'POST',
      body: new URLSearchParams([...form.fields, ['username', username], ['password', password]]),
    })
    // Stops at the answer of the callback: where it leads is for the test to look at.
    let response = posted
    for (let hops = 0; hops < 20; hops++) {
      const location = response.headers.get('location')
      if (location === null) return response
      if (new URL(response.url).pathname === '/auth/callback') return response
      const next = new URL(location, response.url)
      if (next.pathname === '/auth/callback') await beforeCallback?.(next)
      response = await this.fetch(next.href)
    }
    return response
  }

  async signIn(credentials: Credentials, returnTo = '/'): Promise<Response> {
    return this.submitLogin(await this.openLogin(returnTo), credentials)
  }

  /** Signs out at the BFF with the CSRF token; JSON unless `accept` says otherwise. */
  async signOut(accept = 'application/json'): Promise<Response> {
    const headers = { 'x-csrf-token': await this.csrfToken(), accept }
    return this.fetch('/auth/logout', { method: 'POST', headers })
  }

  /** Goes through the IdP's sign-out as a browser does, frames included; where it is sent in the end. */
  async finishSignOut(logoutUrl: string): Promise<string> {
    const page = await this.follow(await this.fetch(logoutUrl))
    const html = await page.text()
    const action = /<form[^>]*action="([^"]+)"/.exec(html)?.[1]
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(html)?.[1]
    if (action === undefined || xsrf === undefined) throw new Error(`no sign-out form: ${html}`)
    const posted = await this.fetch(new URL(action, page.url).href, {
      method: 'POST',
      headers: { origin: new URL(page.url).origin },
      body: new URLSearchParams({ xsrf, logout: 'yes' }),
    })
    const left = posted.status === 200 ? await posted.text() : ''
    for (const [, frame = ''] of left.matchAll(/<iframe src="([^"]+)"/g)) {
      await this.fetch(frame.replaceAll('&#38;', '&'))
    }
    return /<a id="next" href="([^"]+)"/.exec(left)?.[1] ?? posted.headers.get('location') ?? ''
  }

  async session(): Promise<SessionResponse> {
    return sessionResponse.parse(await (await this.fetch('/api/auth/session')).json())
  }

  async csrfToken(): Promise<string> {
    const session = await this.session()
    if (!session.authenticated) throw new Error('not signed in')
    return session.csrf_token
  }
}

/** The `code` of a problem document, which must be one. */
export async function problemOf(response: Response): Promise<Record<string, unknown>> {
  const type = response.headers.get('content-type')
  if (type !== 'application/problem+json') {
    throw new Error(`${response.status} ${type}: ${(await response.text()).slice(0, 500)}`)
  }
  return (await response.json()) as Record<string, unknown>
}
