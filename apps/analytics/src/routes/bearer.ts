import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import { metadataUrl } from '@audience-bridge/resource-server/metadata.ts'
import { requiredScope, requireScopes } from '@audience-bridge/resource-server/scopes.ts'
import type { VerifiedToken } from '@audience-bridge/resource-server/verifier.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Access, REALM } from '../access.ts'

/** Reading: `api.read` is preferred, `application.all` keeps working (the brief's V1). */
export const READ_SCOPES = ['api.read', 'application.all'] as const
/** Writing is for services; the login's broad scope does not reach it. */
export const WRITE_SCOPES = ['api.write'] as const

/** A token that was let in, and the settings under which it was: the answer keeps to them. */
export interface Admission {
  token: VerifiedToken
  readerRoles: readonly string[]
}

export interface Bearer {
  /**
   * Admits a request that may do what needs one of `anyOf`. Every answer then reports what was
   * needed, refusals too.
   *
   * @throws ProblemError 401, 403 or 503, with the challenge of RFC 6750.
   */
  authorize(
    request: FastifyRequest,
    reply: FastifyReply,
    anyOf: readonly [string, ...string[]],
  ): Promise<Admission>
}

/** @param access asked once a request, so that a request never sees two versions of the settings. */
export function createBearer(access: () => Access): Bearer {
  return {
    async authorize(request, reply, anyOf) {
      const { verifier, audience, readerRoles } = access()
      reply.headers(requiredScope({ anyOf }))
      const result = await verifier.verify(request.headers.authorization)
      if (result.kind === 'unavailable') {
        throw new ProblemError(
          'IDP_UNAVAILABLE',
          'the keys of the token issuer cannot be fetched; try again shortly',
          { headers: { 'retry-after': '5' }, cause: new Error(result.description) },
        )
      }
      if (result.kind === 'refused') {
        throw new ProblemError(
          result.error === undefined ? 'TOKEN_REQUIRED' : 'TOKEN_INVALID',
          result.description,
          { headers: { 'www-authenticate': result.challenge } },
        )
      }
      const scopes = requireScopes(result.token, {
        anyOf,
        realm: REALM,
        resourceMetadata: metadataUrl(audience),
      })
      if (scopes.kind === 'refused') {
        throw new ProblemError('INSUFFICIENT_SCOPE', scopes.description, {
          headers: { 'www-authenticate': scopes.challenge },
        })
      }
      return { token: result.token, readerRoles }
    },
  }
}
