import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { readCookie, writeCookie } from '../session/cookie.ts'
import { csrfFault, originFault, requestOrigin } from '../session/csrf.ts'
import type { RouteDeps } from './deps.ts'
import { escapeHtml, sendPage, wantsHtml } from './page.ts'

/** How long the next login is made to ask for the password again, in seconds. */
const LOGGED_OUT_SECONDS = 86_400

/**
 * POST /auth/logout (alias /api/auth/logout) — ends the session here, revokes its grant at the IdP
 * (RFC 7009) and names the IdP's logout (OpenID Connect RP-Initiated Logout 1.0). Needs the CSRF
 * token, as header or as the form field `csrf_token`: another site must not sign users out.
 * GET shows a page that asks.
 */
export function logoutRoute(app: FastifyInstance, deps: RouteDeps): void {
  const post = async (request: FastifyRequest, reply: FastifyReply) => {
    const config = deps.config()
    const home = new URL('/', config.publicUrl).href
    const found = await deps.sessions.find(
      readCookie(request.headers.cookie, config.cookies.sessionName),
    )
    const { sessionName, loggedOutName, domain } = config.cookies
    let logoutUrl = home
    const head = requestOrigin(request.method, request.headers)
    const sender = { ...head, token: head.token ?? formField(request.body, 'csrf_token') }
    // SameSite=Lax keeps the cookie away from another site's form, so that no session is found; the
    // answer to the form would delete the cookie all the same.
    const foreign = originFault(sender, config.trustedOrigins)
    if (foreign !== undefined) throw new ProblemError('CSRF_REJECTED', foreign)
    if (found.kind === 'session') {
      const { session } = found
      const fault = csrfFault(sender, session.ticket.csrf, config.trustedOrigins)
      if (fault !== undefined) throw new ProblemError('CSRF_REJECTED', fault)
      const { idToken, refreshToken } = session.grant
      await deps.sessions.end(session, 'logout')
      deps.log.info(
        { correlation_id: request.id, subject: session.user.sub },
        'session ended by logout',
      )
      const [url, revoked] = await Promise.all([
        deps.idp().endSessionUrl(idToken, home),
        refreshToken === undefined ? undefined : deps.idp().revoke(refreshToken),
      ])
      if (url.kind === 'ok' && url.value !== undefined) logoutUrl = url.value
      if (revoked !== undefined && revoked.kind !== 'ok') {
        deps.log.warn(
          { correlation_id: request.id, outcome: revoked.kind },
          'the grant could not be revoked at the IdP',
        )
      }
    }
    reply
      .header('set-cookie', [
        writeCookie(sessionName, '', { maxAgeSeconds: 0, domain }),
        writeCookie(loggedOutName, '1', { maxAgeSeconds: LOGGED_OUT_SECONDS }),
      ])
      .header('cache-control', 'no-store')
    return navigates(request)
      ? reply.redirect(logoutUrl, 303)
      : reply.send({ logout_url: logoutUrl })
  }
  const get = async (request: FastifyRequest, reply: FastifyReply) => {
    const config = deps.config()
    const found = await deps.sessions.find(
      readCookie(request.headers.cookie, config.cookies.sessionName),
    )
    if (found.kind !== 'session') return reply.redirect('/', 302)
    return sendPage(
      reply,
      200,
      'Sign out?',
      `<form method="post" action="/auth/logout"><input type="hidden" name="csrf_token" value="${escapeHtml(found.session.ticket.csrf)}"><button>Sign out</button></form>`,
      // The form's answer redirects to the IdP, which form-action must allow.
      ["'self'", new URL(config.bridge.settings.auth.issuer).origin],
    )
  }
  for (const path of ['/auth/logout', '/api/auth/logout']) {
    app.post(path, post)
    app.get(path, get)
  }
}

/** A form is followed to where it leads; a program that asks for JSON is told the address. */
function navigates({ headers }: FastifyRequest): boolean {
  if (wantsHtml(headers.accept)) return true
  const form = headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true
  return form && headers.accept?.includes('application/json') !== true
}

function formField(body: unknown, name: string): string | undefined {
  return body instanceof URLSearchParams && body.getAll(name).length === 1
    ? (body.get(name) ?? undefined)
    : undefined
}
