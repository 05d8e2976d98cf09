import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Frontend } from '../frontends.ts'
import { writeCookie } from '../session/cookie.ts'
import { csrfFault, originFault, requestOrigin } from '../session/csrf.ts'
import type { Session } from '../session/session.ts'
import { principalIn } from '../tokens/claims.ts'
import type { RouteDeps } from './deps.ts'
import { endSessions } from './end-sessions.ts'
import { findOwnSession } from './own-session.ts'
import { escapeHtml, formField, sendPage, wantsHtml } from './page.ts'

/** How long the next login is made to ask for the password again, in seconds. */
const LOGGED_OUT_SECONDS = 86_400

/**
 * POST /auth/logout (alias /api/auth/logout) — ends the session here, or with `everywhere=true` (query
 * or form field) every session of the user; revokes the grants at the IdP (RFC 7009) and names the
 * IdP's logout (OpenID Connect RP-Initiated Logout 1.0). Needs the CSRF token, as header or as the
 * form field `csrf_token`: another site must not sign users out. GET shows a page that asks.
 */
export function logoutRoute(app: FastifyInstance, deps: RouteDeps): void {
  const post = async (request: FastifyRequest, reply: FastifyReply) => {
    const frontend = deps.frontendOf(request.raw)
    const { trustedOrigins } = frontend
    const config = deps.config()
    const head = requestOrigin(request.method, request.headers)
    const sender = { ...head, token: head.token ?? formField(request.body, 'csrf_token') }
    // SameSite=Lax keeps the cookie away from another site's form, so that no session is found; the
    // answer to the form would delete the cookie all the same.
    const foreign = originFault(sender, trustedOrigins)
    if (foreign !== undefined) throw new ProblemError('CSRF_REJECTED', foreign)
    const everywhere = readEverywhere(request)
    const found = await findOwnSession(deps, request, config)
    let logoutUrl = new URL('/', frontend.publicUrl).href
    if (found.kind === 'session') {
      const fault = csrfFault(sender, found.session.ticket.csrf, trustedOrigins)
      if (fault !== undefined) throw new ProblemError('CSRF_REJECTED', fault)
      logoutUrl = (await endOwn(deps, frontend, request, found.session, everywhere)) ?? logoutUrl
    }
    const { sessionName, loggedOutName, domain, sameSite } = frontend.cookies
    reply
      .header('set-cookie', [
        writeCookie(sessionName, '', { sameSite, maxAgeSeconds: 0, domain }),
        writeCookie(loggedOutName, '1', { sameSite, maxAgeSeconds: LOGGED_OUT_SECONDS }),
      ])
      .header('cache-control', 'no-store')
    return navigates(request)
      ? reply.redirect(logoutUrl, 303)
      : reply.send({ logout_url: logoutUrl })
  }
  const get = async (request: FastifyRequest, reply: FastifyReply) => {
    const config = deps.config()
    const found = await findOwnSession(deps, request, config)
    if (found.kind !== 'session') return reply.redirect('/', 302)
    const everywhere = readEverywhere(request)
    const button = (label: string, value: boolean) =>
      `<button name="everywhere" value="${value}">${label}</button>`
    const here = button('Sign out', false)
    const all = button('Sign out everywhere', true)
    return sendPage(
      reply,
      200,
      'Sign out?',
      `<form method="post" action="/auth/logout"><input type="hidden" name="csrf_token" value="${escapeHtml(found.session.ticket.csrf)}">${everywhere ? all + here : here + all}</form>`,
      // The form's answer redirects to the IdP, which form-action must allow.
      ["'self'", new URL(found.session.issuer).origin],
    )
  }
  for (const path of ['/auth/logout', '/api/auth/logout']) {
    app.post(path, post)
    app.get(path, get)
  }
}

/**
 * @returns where the IdP's own session ends.
 * @throws StoreUnavailable before anything is said to be done.
 */
async function endOwn(
  deps: RouteDeps,
  frontend: Frontend,
  request: FastifyRequest,
  session: Session,
  everywhere: boolean,
): Promise<string | undefined> {
  const { issuer, user, ticket, grant } = session
  const subject = principalIn(deps.config().idps, session)
  const others = everywhere
    ? (await deps.directory.ofUser(issuer, user.sub)).filter(({ id }) => id !== ticket.id)
    : []
  const { idToken, refreshToken } = grant
  // The others first: should the store fail amid them, this session can ask again.
  const ended = await endSessions(deps, others, {
    ...{ reason: 'everywhere', by: subject, correlationId: request.id },
  })
  await deps.sessions.end(session, 'logout')
  deps.log.info({ correlation_id: request.id, subject, others: ended }, 'session ended by logout')
  const [url] = await Promise.all([
    deps.connections.of(issuer).idp.endSessionUrl(idToken, new URL('/', frontend.publicUrl).href),
    deps.revocations.revoke(issuer, refreshToken),
  ])
  return url.kind === 'ok' ? url.value : undefined
}

/** @throws ProblemError for a value that is neither: signing out of less than was meant is no answer. */
function readEverywhere({ query, body }: FastifyRequest): boolean {
  const asked = formField(body, 'everywhere') ?? (query as { everywhere?: unknown }).everywhere
  if (asked === undefined || asked === 'false') return false
  if (asked === 'true') return true
  throw new ProblemError('BAD_REQUEST', 'everywhere is true or false')
}

/** A form is followed to where it leads; a program that asks for JSON is told the address. */
function navigates({ headers }: FastifyRequest): boolean {
  if (wantsHtml(headers.accept)) return true
  const form = headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true
  return form && headers.accept?.includes('application/json') !== true
}
