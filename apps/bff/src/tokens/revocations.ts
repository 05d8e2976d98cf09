import type { Logger } from '@audience-bridge/kit/log.ts'
import type { Idp } from './idp.ts'
import type { IdpAnswer } from './idp-answer.ts'

/** So many revocations are under way at once: signing thousands out must not become a flood. */
const LANES = 8

/**
 * Ends grants at the IdP (RFC 7009), which from then on refuses to renew or to exchange anything of
 * them. The sessions behind them have ended already: what fails here is logged and counted, and the
 * grant lives until the IdP's own limit.
 */
export class Revocations {
  readonly #idpOf: (session: { issuer: string }) => Idp
  readonly #log: Logger
  readonly #counted: (outcome: IdpAnswer<void>['kind']) => void
  readonly #waiting: (() => void)[] = []
  #free = LANES

  constructor(deps: {
    idpOf: (session: { issuer: string }) => Idp
    log: Logger
    counted: (outcome: IdpAnswer<void>['kind']) => void
  }) {
    this.#idpOf = deps.idpOf
    this.#log = deps.log
    this.#counted = deps.counted
  }

  /** Never fails. */
  async revoke(issuer: string, refreshToken: string | undefined): Promise<void> {
    if (refreshToken === undefined) return
    // The attack of a mistake: one IdP's token would be shown to another.
    const idp = this.#idpOf({ issuer })
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    const answer = await idp.revoke(refreshToken)
    const next = this.#waiting.shift()
    if (next === undefined) this.#free++
    else next()
    this.#counted(answer.kind)
    if (answer.kind !== 'ok') {
      const why = answer.kind === 'refused' ? answer.error : answer.reason
      this.#log.warn({ outcome: answer.kind, why }, 'a grant could not be revoked at the IdP')
    }
  }
}
