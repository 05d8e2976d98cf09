import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import { bodyOf, listen } from './receiver.ts'

export interface FakeBff {
  url: string
  /** Session ids that are alive; clearing it signs everybody out. */
  sessions: Set<string>
  signIns: number
  calls: { method: string; path: string; csrf: boolean }[]
  /** Status of every API call; 200 by default. */
  status: number
}

const PASSWORD = 'the "right" one'

/**
 * A BFF and an IdP on two ports of localhost that insist on what the real ones do: a login cookie
 * kept through the redirects, the form's hidden field, Origin, the session cookie, the CSRF token.
 */
export async function startBff(t: TestContext): Promise<FakeBff> {
  const bff: FakeBff = { url: '', sessions: new Set(), signIns: 0, calls: [], status: 200 }
  const csrfOf = (session: string) => `csrf-${session}`
  let idpUrl = ''

  const bffPort = await listen(t, async (request, response) => {
    const url = new URL(request.url ?? '/', bff.url)
    const cookies = new URLSearchParams((request.headers.cookie ?? '').replaceAll('; ', '&'))
    const session = cookies.get('__Host-bff_session') ?? ''
    const body = await bodyOf(request)
    const json = (status: number, value: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))

    if (url.pathname === '/auth/login') {
      response.setHeader('set-cookie', '__Host-bff_login=1; Path=/; Secure; HttpOnly; SameSite=Lax')
      response.writeHead(302, { location: `${idpUrl}/authorize?client_id=bff` }).end()
    } else if (url.pathname === '/auth/callback') {
      if (cookies.get('__Host-bff_login') !== '1')
        return void json(400, { code: 'LOGIN_STATE_INVALID' })
      const id = randomUUID()
      bff.sessions.add(id)
      bff.signIns += 1
      response.setHeader('set-cookie', [
        '__Host-bff_login=; Path=/; Secure; Max-Age=0',
        `__Host-bff_session=${id}; Path=/; Secure; HttpOnly; SameSite=Lax`,
      ])
      response.writeHead(302, { location: '/' }).end()
    } else if (url.pathname === '/api/auth/session') {
      if (!bff.sessions.has(session)) return void json(200, { authenticated: false })
      const time = new Date().toISOString()
      json(200, {
        authenticated: true,
        user: { sub: 'u', roles: [] },
        csrf_token: csrfOf(session),
        expires_at: time,
        idle_expires_at: time,
        services: [],
        ends: { at: time, by: 'idle' },
        limits: { idle: time, absolute: time },
      })
    } else {
      if (!bff.sessions.has(session)) return void json(401, { code: 'SESSION_REQUIRED' })
      const csrf = request.headers['x-csrf-token'] === csrfOf(session)
      const unsafe = request.method !== 'GET'
      if (unsafe && !csrf) return void json(403, { code: 'CSRF_REJECTED' })
      if (body !== '') JSON.parse(body)
      bff.calls.push({ method: request.method ?? '', path: url.pathname, csrf })
      json(request.method === 'POST' && bff.status === 200 ? 201 : bff.status, { id: randomUUID() })
    }
  })

  const idpPort = await listen(t, async (request, response) => {
    const url = new URL(request.url ?? '/', idpUrl)
    if (url.pathname === '/authorize') {
      response.setHeader('set-cookie', 'interaction=i1; Path=/interaction; HttpOnly')
      return void response.writeHead(303, { location: '/interaction/i1' }).end()
    }
    const known = request.headers.cookie?.includes('interaction=i1')
    if (request.method === 'GET') {
      response.setHeader('content-type', 'text/html')
      return void response.end(`<form method="post" action="/search"><input name="q"></form>
        <form method="post" action="/interaction/i1?a=1&amp;b=2"><input type="hidden" name="xsrf" value="&#34;x&#34;">
        <input name="username" required><input name='password' type=password></form>`)
    }
    const form = new URLSearchParams(await bodyOf(request))
    const right =
      known &&
      url.search === '?a=1&b=2' &&
      request.headers.origin === idpUrl &&
      form.get('xsrf') === '"x"' &&
      form.get('password') === PASSWORD
    if (!right) return void response.writeHead(422, { 'content-type': 'text/html' }).end('wrong')
    response.writeHead(303, { location: `${bff.url}/auth/callback?code=c` }).end()
  })

  bff.url = `http://localhost:${bffPort}`
  idpUrl = `http://localhost:${idpPort}`
  return bff
}

export const USER = {
  username: 'ada',
  password: PASSWORD,
  roles: ['admin'],
  sub: 'user-ada',
  name: 'Ada',
}
