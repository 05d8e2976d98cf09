import { jwtVerify } from 'jose'
import type { Idp } from './idp.ts'
import { blameOf, type IdpKeys, SIGNING_ALGORITHMS } from './idp-keys.ts'
import { factsFrom, type TokenFacts } from './verify.ts'

export type Inspection =
  | { kind: 'facts'; facts: TokenFacts }
  | { kind: 'invalid'; reason: string }
  | { kind: 'unavailable'; reason: string }

/**
 * Reads a token that the IdP just issued: a JWT by its signature, an opaque one by introspection
 * (RFC 7662). Neither is believed by its looks.
 */
export function createInspector(
  idp: Idp,
  readKeys: () => Promise<IdpKeys>,
): (token: string) => Promise<Inspection> {
  const inspectJwt = async (token: string): Promise<Inspection> => {
    const read = await readKeys()
    if (read.kind === 'none') return { kind: 'invalid', reason: 'the IdP publishes no keys' }
    if (read.kind === 'unavailable') return read
    try {
      const { payload } = await jwtVerify(token, read.keys, {
        issuer: read.issuer,
        algorithms: SIGNING_ALGORITHMS,
        clockTolerance: idp.settings.clockToleranceSeconds,
      })
      return { kind: 'facts', facts: factsFrom(payload) }
    } catch (cause) {
      return blameOf(cause)
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
