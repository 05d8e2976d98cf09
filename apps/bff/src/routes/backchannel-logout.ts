import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { FastifyInstance } from 'fastify'
import { keyedHash } from '../session/ticket.ts'
import type { LogoutOrder } from '../tokens/logout-token.ts'
import type { RouteDeps } from './deps.ts'
import { endSessions } from './end-sessions.ts'
import { formField } from './page.ts'

/**
 * POST /auth/backchannel-logout — the IdP says that it has signed somebody out (OpenID Connect
 * Back-Channel Logout 1.0 §2.5 to §2.8). The logout token is the whole authentication: no cookie, no
 * CSRF token. 503 when the store or the IdP's keys are away: then the IdP may try again.
 */
export function backchannelLogoutRoute(app: FastifyInstance, deps: RouteDeps): void {
  app.post('/auth/backchannel-logout', async (request, reply) => {
    reply.header('cache-control', 'no-store')
    const refuse = (reason: string) => {
      deps.log.warn(
        { event: 'bff_backchannel_logout_refused', correlation_id: request.id, reason },
        'a logout token was refused',
      )
      return reply.code(400).send({ error: 'invalid_request', error_description: reason })
    }
    const token = formField(request.body, 'logout_token')
    if (token === undefined) return refuse('logout_token is missing')
    const { clockToleranceSeconds } = deps.config().idp
    const verdict = await deps.readLogoutToken(token)
    if (verdict.kind === 'unavailable') {
      throw new ProblemError('IDP_UNAVAILABLE', 'the keys of the identity provider are away', {
        headers: { 'Retry-After': '5' },
      })
    }
    if (verdict.kind === 'invalid') return refuse(verdict.reason)

    const { order } = verdict
    // Read first: a store that is away must not use the order up.
    const sessions = await sessionsOf(deps, order)
    // The attack: whoever got hold of a token signs the user out again and again.
    const once = `logout ${keyedHash(deps.storeKeys.current, 'jti', `${order.issuer} ${order.jti}`)}`
    const latest = order.issuedAt + clockToleranceSeconds
    // An order that was long under way is not about who has signed in since.
    const meant = sessions.filter(({ createdAt }) => createdAt <= latest)
    const end = () =>
      endSessions(deps, meant, {
        reason: 'idp_logout',
        by: order.issuer,
        correlationId: request.id,
      })
    try {
      if (!(await deps.store.useOnce(once, order.expiresAt + clockToleranceSeconds))) {
        return refuse('this token was used before')
      }
      await end()
    } catch (cause) {
      // The order may be used up by now, and the same one would be refused: it is carried out here.
      deps.background(insist(end))
      throw cause
    }
    return reply.code(200).send()
  })
}

const ATTEMPTS = 6
const PAUSE_MS = 250

/** Again and again, with pauses that double. @throws what the last attempt did. */
async function insist(work: () => Promise<unknown>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * 2 ** attempt))
    try {
      await work()
      return
    } catch (cause) {
      if (attempt === ATTEMPTS) throw cause
    }
  }
}

/** The session at the IdP where one is named, else all of the user. */
async function sessionsOf({ directory }: RouteDeps, { issuer, sub, sid }: LogoutOrder) {
  if (sid === undefined) return sub === undefined ? [] : directory.ofUser(issuer, sub)
  const sessions = await directory.ofIdpSession(issuer, sid)
  return sessions.filter(({ card }) => sub === undefined || card.sub === sub)
}
