import { createRemoteJWKSet, errors, jwtVerify } from 'jose'
import type { Idp } from './idp.ts'
import { factsFrom, type TokenFacts } from './verify.ts'

export type Inspection =
  | { kind: 'facts'; facts: TokenFacts }
  | { kind: 'invalid'; reason: string }
  | { kind: 'unavailable'; reason: string }

const ALGORITHMS = ['ES256', 'ES384', 'PS256', 'RS256', 'EdDSA']

/**
 * Reads a token that the IdP just issued: a JWT by its signature, an opaque one by introspection
 * (RFC 7662). Neither is believed by its looks.
 */
export function createInspector(idp: Idp): (token: string) => Promise<Inspection> {
  let keys: ReturnType<typeof createRemoteJWKSet> | undefined

  const inspectJwt = async (token: string): Promise<Inspection> => {
    const metadata = await idp.metadata()
    if (metadata.kind !== 'ok') return { kind: 'unavailable', reason: 'no metadata of the IdP' }
    const { jwks_uri: jwksUri, issuer } = metadata.value
    if (jwksUri === undefined) return { kind: 'invalid', reason: 'the IdP publishes no keys' }
    keys ??= createRemoteJWKSet(new URL(jwksUri), {
      timeoutDuration: idp.settings.timeoutSeconds * 1000,
      cooldownDuration: 5_000,
    })
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        algorithms: ALGORITHMS,
        clockTolerance: idp.settings.clockToleranceSeconds,
      })
      return { kind: 'facts', facts: factsFrom(payload) }
    } catch (cause) {
      const fault = cause instanceof errors.JOSEError && !(cause instanceof errors.JWKSTimeout)
      const reason = cause instanceof Error ? cause.message : 'unknown'
      return fault && cause.code !== 'ERR_JOSE_GENERIC'
        ? { kind: 'invalid', reason }
        : { kind: 'unavailable', reason: `the IdP's keys: ${reason}` }
    }
  }

  const introspect = async (token: string): Promise<Inspection> => {
    const answer = await idp.introspect(token)
    if (answer.kind === 'unavailable') return answer
    if (answer.kind === 'refused') {
      return { kind: 'invalid', reason: `introspection refused: ${answer.error}` }
    }
    if (!answer.value.active) return { kind: 'invalid', reason: 'the IdP calls it inactive' }
    return { kind: 'facts', facts: factsFrom(answer.value) }
  }

  return (token) => (token.split('.').length === 3 ? inspectJwt(token) : introspect(token))
}
