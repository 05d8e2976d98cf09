import type { TokenVerifier } from '@audience-bridge/resource-server/verifier.ts'
import type { FastifyInstance } from 'fastify'
import { resource } from '../endpoint.ts'

/** `GET /api/whoami`: what the presented token says, to show what the bridge sends; never the token. */
export function whoamiRoute(app: FastifyInstance, { verifier }: { verifier: TokenVerifier }): void {
  resource(app, verifier, '/api/whoami', {
    GET: {
      needs: 'token',
      handle: (request, token) => ({
        sub: token.subject,
        act: token.actor === undefined ? null : { sub: token.actor },
        aud: token.claims.aud,
        scope: [...token.scopes].join(' '),
        roles: token.roles,
        client_id: token.clientId ?? null,
        correlation_id: request.correlationId,
      }),
    },
  })
}
