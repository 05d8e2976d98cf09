import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { FastifyInstance } from 'fastify'
import { mintEagerly } from '../login/eager.ts'
import { loginCookieTag } from '../login/logins.ts'
import { retryAfter } from '../problems.ts'
import { readCookie, writeCookie } from '../session/cookie.ts'
import type { SessionLookup } from '../session/sessions.ts'
import { principalIn } from '../tokens/claims.ts'
import { userFrom } from '../tokens/user.ts'
import { noteIdpAnswer, type RouteDeps, refuseExcessSignIns } from './deps.ts'
import { findOwnSession } from './own-session.ts'

/** OpenID Connect Core §3.1.2.6: a login that only a person can complete. */
const NEEDS_PERSON = new Set([
  'login_required',
  'interaction_required',
  'consent_required',
  'account_selection_required',
])

/** So much of `User-Agent` is kept, for people who look through their sessions. */
const AGENT_CHARS = 200

const interactiveLogin = (returnTo: string) =>
  `/auth/login?return_to=${encodeURIComponent(returnTo)}`

/** GET /auth/callback — redeems the code, creates the session under a new id, goes to return_to. */
export function callbackRoute(app: FastifyInstance, deps: RouteDeps): void {
  app.get('/auth/callback', async (request, reply) => {
    const config = deps.config()
    const frontend = deps.frontendOf(request.raw)
    const { publicUrl, cookies: policy } = frontend
    const url = new URL(request.raw.url ?? '', publicUrl)
    const state = url.searchParams.get('state')
    if (state === null || url.searchParams.getAll('state').length !== 1) {
      throw new ProblemError('LOGIN_STATE_INVALID', 'the state is missing; begin at /auth/login')
    }
    refuseExcessSignIns(deps, request)
    const cookies = request.headers.cookie
    const cookieName = policy.loginPrefix + loginCookieTag(state)
    const found = await deps.logins.find(state, readCookie(cookies, cookieName))
    const own = await findOwnSession(deps, request, config)
    // One whose network has changed is what a silent login replaces; any other one that this caller may
    // not use is left alone: a stolen cookie must not end it.
    const current: SessionLookup =
      own.kind !== 'elsewhere'
        ? own
        : own.replaceable
          ? { kind: 'session', session: own.session }
          : { kind: 'none' }

    if (found.kind === 'unknown') {
      throw new ProblemError(
        'LOGIN_STATE_INVALID',
        'this sign-in is unknown or took too long; begin again at /auth/login',
      )
    }
    // A login that began at one frontend gives no session at another, whoever carries its cookie there.
    if (found.kind === 'foreign' || found.login.frontend !== frontend.name) {
      throw new ProblemError(
        'LOGIN_STATE_INVALID',
        `the cookie that was set at the start of this sign-in did not come back; begin again at ${new URL('/auth/login', publicUrl).href} and allow cookies`,
      )
    }
    const { login } = found
    // A reload or the back button: with a live session the wish is fulfilled already.
    if (found.used || !(await deps.logins.use(state))) {
      if (current.kind === 'session') return reply.redirect(login.returnTo, 302)
      throw new ProblemError(
        'LOGIN_STATE_INVALID',
        'this sign-in was completed before; begin again at /auth/login',
      )
    }

    const idpError = url.searchParams.get('error')
    if (login.silent && idpError !== null && NEEDS_PERSON.has(idpError)) {
      // The IdP cannot do it silently: now a person signs in, and returns to the same place.
      return reply.redirect(interactiveLogin(login.returnTo), 302)
    }

    const answer = await deps.connections
      .of(login.issuer)
      .idp.completeLogin(url, login.secrets, deps.clock())
    if (answer.kind !== 'ok') noteIdpAnswer(deps, request, answer)
    if (answer.kind === 'unavailable') {
      deps.log.warn(
        { correlation_id: request.id, reason: answer.reason },
        'IDP_UNAVAILABLE at callback',
      )
      throw new ProblemError(
        'IDP_UNAVAILABLE',
        'the identity provider did not answer; begin again at /auth/login',
        { headers: retryAfter(answer) },
      )
    }
    if (answer.kind === 'refused') {
      deps.log.warn(
        { correlation_id: request.id, error: answer.error, description: answer.description },
        'LOGIN_FAILED at callback',
      )
      throw new ProblemError(
        'LOGIN_FAILED',
        `the identity provider did not complete the sign-in (${answer.error}); begin again at /auth/login`,
        {
          extensions: { idp_error: answer.error },
        },
      )
    }

    const { grant, claims } = answer.value
    const user = userFrom(claims)
    const { issuer } = login
    const other =
      current.kind === 'session' &&
      (current.session.user.sub !== user.sub || current.session.issuer !== issuer)
    if (login.silent && other) {
      // Somebody else is signed in at the IdP: a silent login must not swap the user of the page.
      return reply.redirect(interactiveLogin(login.returnTo), 302)
    }
    // The id changes at each login: one that was known before it opens nothing (session fixation).
    if (current.kind === 'session') await deps.sessions.end(current.session, 'login')
    const session = await deps.sessions.create({
      user,
      issuer,
      sid: typeof claims.sid === 'string' ? claims.sid : undefined,
      frontend: frontend.name,
      idpSessionExpiresAt:
        typeof claims.session_expiry === 'number' ? claims.session_expiry : undefined,
      requested: login.requested,
      binding: deps.bindings.bind(request.raw, config.binding),
      agent: request.headers['user-agent']?.slice(0, AGENT_CHARS),
      grant,
    })
    deps.log.info(
      {
        correlation_id: request.id,
        subject: principalIn(config.idps, session),
        scopes: grant.scopes,
      },
      'session created',
    )
    if (login.beganAt !== undefined) {
      deps.loginTook(login.silent ? 'silent' : 'interactive', deps.clock() - login.beganAt)
    }
    deps.background(mintEagerly(deps, config, session))
    const { sessionName, domain, sameSite, loggedOutName } = policy
    return reply
      .header('set-cookie', [
        writeCookie(sessionName, session.ticket.cookie, { domain, sameSite }),
        writeCookie(loggedOutName, '', { sameSite, maxAgeSeconds: 0 }),
      ])
      .header('cache-control', 'no-store')
      .redirect(login.returnTo, 302)
  })
}
