/** A browser as far as the IdP can tell: cookies by path, forms, redirects one at a time. */
export interface Page {
  status: number
  url: string
  html: string
  location: string | undefined
  headers: Headers
}

interface Cookie {
  name: string
  value: string
  path: string
}

export class Browser {
  readonly cookies: Cookie[] = []
  /** Sent with every request: what proxies before the IdP add. */
  readonly forwarded: Record<string, string>

  constructor(forwarded: Record<string, string> = {}) {
    this.forwarded = forwarded
  }

  async open(url: string): Promise<Page> {
    return this.#send(url, {})
  }

  /** Opens `url` and follows redirects until one leaves for `stopAt`, or a page is shown. */
  async follow(url: string, stopAt: string): Promise<Page> {
    let page = await this.open(url)
    for (let hops = 0; page.location !== undefined && hops < 10; hops++) {
      if (page.location.startsWith(stopAt)) return page
      page = await this.open(page.location)
    }
    return page
  }

  /** Posts the page's first form whose action contains `actionPart`, as a browser would. */
  async submit(page: Page, fields: Record<string, string>, actionPart = ''): Promise<Page> {
    const forms = [...page.html.matchAll(/<form\b[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/g)]
    const form = forms.find(([, action = '']) => action.includes(actionPart))
    if (form === undefined) throw new Error(`no form at ${page.url}: ${page.html.slice(0, 400)}`)
    const [, action = '', inner = ''] = form
    const body = new URLSearchParams()
    const outside = [...page.html.matchAll(/<input\b[^>]*form="op\.logoutForm"[^>]*>/g)].join('')
    for (const [tag] of `${inner}${outside}`.matchAll(/<input\b[^>]*>/g)) {
      const name = /name="([^"]*)"/.exec(tag)?.[1]
      if (name !== undefined) body.set(name, /value="([^"]*)"/.exec(tag)?.[1] ?? '')
    }
    for (const [name, value] of Object.entries(fields)) body.set(name, value)
    const target = new URL(action, page.url)
    return this.#send(target.href, {
      method: 'POST',
      body,
      headers: { origin: new URL(page.url).origin },
    })
  }

  async #send(url: string, init: RequestInit): Promise<Page> {
    const { pathname } = new URL(url)
    const cookie = this.cookies
      .filter(({ path }) => pathname === path || pathname.startsWith(path.replace(/\/?$/, '/')))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ')
    const headers = new Headers({
      ...this.forwarded,
      ...Object.fromEntries(new Headers(init.headers)),
    })
    headers.set('accept', 'text/html')
    if (cookie !== '') headers.set('cookie', cookie)
    const response = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) this.#keep(line, pathname)
    const location = response.headers.get('location')
    return {
      status: response.status,
      url,
      html: await response.text(),
      location: location === null ? undefined : new URL(location, url).href,
      headers: response.headers,
    }
  }

  #keep(line: string, requestPath: string): void {
    const [pair = '', ...attributes] = line.split(/;\s*/)
    const name = pair.slice(0, pair.indexOf('='))
    const value = pair.slice(pair.indexOf('=') + 1)
    const attribute = (key: string) =>
      attributes.find((text) => text.toLowerCase().startsWith(`${key}=`))?.slice(key.length + 1)
    const path = attribute('path') ?? requestPath.replace(/\/[^/]*$/, '')
    const at = this.cookies.findIndex((cookie) => cookie.name === name && cookie.path === path)
    if (at !== -1) this.cookies.splice(at, 1)
    const expires = attribute('expires')
    const gone = value === '' || (expires !== undefined && Date.parse(expires) <= Date.now())
    if (!gone) this.cookies.push({ name, value, path })
  }
}
