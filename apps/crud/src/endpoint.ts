import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import { requiredScope, requireScopes } from '@audience-bridge/resource-server/scopes.ts'
import type { TokenVerifier, VerifiedToken } from '@audience-bridge/resource-server/verifier.ts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
type Method = (typeof METHODS)[number]

/** The scopes of which one must be there; the least powerful comes first. */
const SCOPES = {
  read: ['crud.read', 'application.all'],
  write: ['crud.write', 'application.all'],
} as const satisfies Record<string, readonly [string, ...string[]]>

export const SUPPORTED_SCOPES = [...new Set([...SCOPES.read, ...SCOPES.write])]

export interface Endpoint {
  /** `token`: any valid token of this audience. */
  needs: 'read' | 'write' | 'token'
  /** Returns the body, or throws ProblemError. */
  handle(request: FastifyRequest, token: VerifiedToken, reply: FastifyReply): unknown
}

/**
 * Registers what `url` can do; every other method answers 405 with `Allow`. Every answer reports the
 * scope that the call needed.
 */
export function resource(
  app: FastifyInstance,
  verifier: TokenVerifier,
  url: string,
  endpoints: Partial<Record<Method, Endpoint>>,
): void {
  const allow = METHODS.filter((method) => endpoints[method] !== undefined).join(', ')
  for (const method of METHODS) {
    const endpoint = endpoints[method]
    if (endpoint !== undefined) {
      app.route({
        method,
        url,
        // Before the body is read: nobody without a token makes us hold 10 MB.
        onRequest: async (request: FastifyRequest, reply: FastifyReply) => {
          const { needs } = endpoint
          reply.headers(requiredScope(needs === 'token' ? undefined : { anyOf: SCOPES[needs] }))
          request.token = await authorize(verifier, request, needs)
        },
        handler: (request, reply) => endpoint.handle(request, tokenOf(request), reply),
      })
      continue
    }
    const refuse = async (_request: FastifyRequest, reply: FastifyReply) => {
      reply.headers(requiredScope(undefined))
      throw new ProblemError('METHOD_NOT_ALLOWED', `${method} is not one of ${allow}`, {
        headers: { allow },
      })
    }
    app.route({ method, url, onRequest: refuse, handler: refuse })
  }
}

async function authorize(
  verifier: TokenVerifier,
  request: FastifyRequest,
  needs: Endpoint['needs'],
): Promise<VerifiedToken> {
  const verification = await verifier.verify(request.headers.authorization)
  if (verification.kind === 'unavailable') {
    throw new ProblemError('IDP_UNAVAILABLE', verification.description, {
      headers: { 'retry-after': '5' },
    })
  }
  if (verification.kind === 'refused') {
    const code = verification.error === undefined ? 'TOKEN_REQUIRED' : 'TOKEN_INVALID'
    throw new ProblemError(code, verification.description, {
      headers: { 'www-authenticate': verification.challenge },
    })
  }
  if (needs !== 'token') {
    const check = requireScopes(verification.token, { anyOf: SCOPES[needs] })
    if (check.kind === 'refused') {
      throw new ProblemError('INSUFFICIENT_SCOPE', check.description, {
        headers: { 'www-authenticate': check.challenge },
      })
    }
  }
  return verification.token
}

function tokenOf(request: FastifyRequest): VerifiedToken {
  if (request.token === undefined) throw new Error('an endpoint ran without its authorization')
  return request.token
}

declare module 'fastify' {
  interface FastifyRequest {
    correlationId: string
    /** Verified; set on the routes of `resource` alone. */
    token: VerifiedToken | undefined
  }
}
