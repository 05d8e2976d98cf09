import { DEFAULT_FRONTEND } from '@audience-bridge/chain/frontends.ts'
import { isLocalForBrowsers } from '@audience-bridge/chain/local-hosts.ts'
import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Frontend } from '../frontends.ts'
import { LOGIN_SECONDS, loginCookieTag } from '../login/logins.ts'
import { loginRequestOf } from '../login/reauthorize.ts'
import { readReturnTo } from '../login/return-to.ts'
import { retryAfter } from '../problems.ts'
import { cookieNames, readCookie, writeCookie } from '../session/cookie.ts'
import { noteIdpAnswer, type RouteDeps, refuseExcessSignIns } from './deps.ts'

const query = z.object({
  return_to: z.string().optional(),
  prompt: z.enum(['none', 'login']).optional(),
  /** Set by our own redirect to the public host, so that it happens once. */
  host_checked: z.literal('1').optional(),
})

/** More logins under way than this in one browser are leftovers. */
const MAX_LOGIN_COOKIES = 16

/** GET /auth/login?return_to= — begins a login: PAR, PKCE S256, state and nonce, then the IdP. */
export function loginRoute(app: FastifyInstance, deps: RouteDeps): void {
  app.get('/auth/login', async (request, reply) => {
    const config = deps.config()
    const parsed = query.safeParse(request.query)
    if (!parsed.success) {
      throw new ProblemError('BAD_REQUEST', 'return_to once, and prompt "none" or "login" at most')
    }
    const frontend = deps.frontendOf(request.raw)
    const { publicUrl, cookies: policy } = frontend
    const { settings } = config.bridge
    const returnTo = readReturnTo(
      parsed.data.return_to,
      frontend,
      settings.auth.allowed_redirect_hosts,
    )
    if (returnTo === undefined) {
      throw new ProblemError(
        'RETURN_TO_REFUSED',
        'return_to must be a path of this origin, or an https address on a host of auth.allowed_redirect_hosts',
      )
    }
    refuseLostCookie(frontend)
    const host = request.headers.host
    if (host !== undefined && host !== publicUrl.host && parsed.data.host_checked === undefined) {
      // A cookie set on this host would not come back to the callback on the public one.
      const there = new URL('/auth/login', publicUrl)
      there.searchParams.set('return_to', returnTo)
      there.searchParams.set('host_checked', '1')
      if (parsed.data.prompt !== undefined) there.searchParams.set('prompt', parsed.data.prompt)
      return reply.redirect(there.href, 302)
    }

    refuseExcessSignIns(deps, request)
    const cookies = request.headers.cookie
    const loggedOut = readCookie(cookies, policy.loggedOutName) !== undefined
    const requested = loginRequestOf(config, frontend)
    // After a logout the next login asks for the password, even if the IdP was not told, and even if a
    // silent one is asked for: whoever comes to this browser next must not become the user before.
    const prompt = loggedOut ? 'login' : parsed.data.prompt
    const started = await deps.connections.of(frontend.issuer).idp.startLogin({
      redirectUri: new URL('/auth/callback', publicUrl).href,
      scope: requested.scopes.join(' '),
      resources: requested.resources,
      prompt,
    })
    if (started.kind !== 'ok') noteIdpAnswer(deps, request, started)
    if (started.kind === 'unavailable') {
      deps.log.warn(
        { correlation_id: request.id, reason: started.reason },
        'IDP_UNAVAILABLE at login',
      )
      throw new ProblemError('IDP_UNAVAILABLE', 'the identity provider did not answer; try again', {
        headers: retryAfter(started),
      })
    }
    if (started.kind === 'refused') {
      deps.log.error(
        { correlation_id: request.id, error: started.error, description: started.description },
        'LOGIN_FAILED the IdP refuses to begin a login',
      )
      throw new ProblemError(
        'LOGIN_FAILED',
        `the identity provider refuses to begin a sign-in (${started.error})`,
      )
    }

    const { url, secrets } = started.value
    const secret = await deps.logins.begin({
      secrets,
      returnTo,
      frontend: frontend.name,
      issuer: frontend.issuer,
      requested,
      silent: prompt === 'none',
    })
    const name = policy.loginPrefix + loginCookieTag(secrets.state)
    const { sameSite } = policy
    // Browsers send the oldest first.
    const leftovers = cookieNames(cookies, policy.loginPrefix).slice(0, -MAX_LOGIN_COOKIES)
    return reply
      .header('set-cookie', [
        writeCookie(name, secret, { sameSite, maxAgeSeconds: LOGIN_SECONDS }),
        ...leftovers.map((old) => writeCookie(old, '', { sameSite, maxAgeSeconds: 0 })),
      ])
      .header('cache-control', 'no-store')
      .redirect(url, 302)
  })
}

/** A Secure cookie set over plain http comes back on localhost alone: say so instead of looping. */
function refuseLostCookie({ name, publicUrl }: Frontend): void {
  if (publicUrl.protocol === 'https:' || isLocalForBrowsers(publicUrl.hostname)) return
  const key = name === DEFAULT_FRONTEND ? 'server' : `frontends.${name}`
  throw new ProblemError(
    'LOGIN_STATE_INVALID',
    `${publicUrl.origin} is plain http on a host that is not localhost, so browsers drop the Secure session cookie; serve it over https and set ${key}.public_url`,
  )
}
