import {
  createTokenVerifier,
  type TokenVerifier,
  type Verification,
} from '@audience-bridge/resource-server/verifier.ts'
import type { Idp } from './idp.ts'

/**
 * Verifies the tokens that callers of `auth: bearer` routes present, one verifier an audience: a
 * token for one backend must not open the gateway's way to another (design rule 5).
 */
export class BearerVerifiers {
  readonly #idp: Idp
  readonly #verifiers = new Map<string, TokenVerifier>()

  constructor(idp: Idp) {
    this.#idp = idp
  }

  verify(authorization: string | undefined, audience: string): Promise<Verification> {
    let verifier = this.#verifiers.get(audience)
    if (verifier === undefined) {
      const { issuer, clockToleranceSeconds, timeoutSeconds } = this.#idp.settings
      verifier = createTokenVerifier({
        issuer,
        audience,
        clockToleranceSeconds,
        timeoutMs: timeoutSeconds * 1000,
        fetch: this.#idp.link.fetch,
      })
      this.#verifiers.set(audience, verifier)
    }
    return verifier.verify(authorization)
  }
}
