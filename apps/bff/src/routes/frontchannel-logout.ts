import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { writeCookie } from '../session/cookie.ts'
import type { RouteDeps } from './deps.ts'
import { endSessions } from './end-sessions.ts'
import { findOwnSession } from './own-session.ts'

const query = z.object({ iss: z.string().min(1).max(2048), sid: z.string().min(1).max(512) })

/**
 * GET /auth/frontchannel-logout?iss=&sid= — the IdP's page shows this one in a frame when somebody signs
 * out there (OpenID Connect Front-Channel Logout 1.0). The frame is another site's, so that browsers
 * send no SameSite=Lax cookie to it: the sessions are found by the IdP's own session id, which nobody
 * can guess. What it names is told by nothing in the answer.
 */
export function frontchannelLogoutRoute(app: FastifyInstance, deps: RouteDeps): void {
  app.get('/auth/frontchannel-logout', async (request, reply) => {
    const config = deps.config()
    const asked = query.safeParse(request.query)
    const known = config.idps.find(({ issuer }) => issuer === asked.data?.iss)
    const { issuer } = known ?? config.idp
    if (asked.success && known !== undefined) {
      const { sid } = asked.data
      const own = await findOwnSession(deps, request, config)
      if (own.kind === 'session' && own.session.issuer === issuer && own.session.sid === sid) {
        const { sessionName, domain, sameSite } = deps.frontendOf(request.raw).cookies
        reply.header(
          'set-cookie',
          writeCookie(sessionName, '', { sameSite, maxAgeSeconds: 0, domain }),
        )
      }
      await endSessions(deps, await deps.directory.ofIdpSession(issuer, sid), {
        ...{ reason: 'idp_logout', by: issuer, correlationId: request.id },
      })
    }
    return reply
      .header(
        'content-security-policy',
        `default-src 'none'; frame-ancestors ${new URL(issuer).origin}`,
      )
      .header('cache-control', 'no-store')
      .header('x-content-type-options', 'nosniff')
      .type('text/html; charset=utf-8')
      .send('<!doctype html><html lang="en"><title>Signed out</title></html>\n')
  })
}
