import {
  createTokenVerifier,
  type TokenVerifier,
  type Verification,
} from '@audience-bridge/resource-server/verifier.ts'
import type { IdpSettings } from './idp.ts'

/**
 * Verifies the tokens that callers of `auth: bearer` routes present, one verifier an audience: a
 * token for one backend must not open the gateway's way to another (design rule 5).
 */
export class BearerVerifiers {
  readonly #idp: IdpSettings
  readonly #verifiers = new Map<string, TokenVerifier>()

  constructor(idp: IdpSettings) {
    this.#idp = idp
  }

  verify(authorization: string | undefined, audience: string): Promise<Verification> {
    let verifier = this.#verifiers.get(audience)
    if (verifier === undefined) {
      verifier = createTokenVerifier({
        issuer: this.#idp.issuer,
        audience,
        clockToleranceSeconds: this.#idp.clockToleranceSeconds,
        timeoutMs: this.#idp.timeoutSeconds * 1000,
      })
      this.#verifiers.set(audience, verifier)
    }
    return verifier.verify(authorization)
  }
}
