import { createHash, randomUUID } from 'node:crypto'
import type { Clock } from '@audience-bridge/kit/clock.ts'
import { SignJWT } from 'jose'
import type { KeyRing } from './key-ring.ts'

/** A token that is bound to one of our keys. */
export interface BoundToken {
  token: string
  jkt: string
}

/** Nonces of so many origins are remembered; there are as many as backends. */
const MAX_ORIGINS = 1000
const MAX_NONCE_CHARS = 512

/**
 * Proofs that we hold the key of a token (RFC 9449 §7), a fresh one for each request to a backend. A
 * nonce that a backend gives is remembered by its origin and put into the proofs that follow.
 */
export class DpopProofs {
  readonly #ring: KeyRing
  readonly #clock: Clock
  readonly #nonces = new Map<string, string>()

  constructor(ring: KeyRing, clock: Clock) {
    this.#ring = ring
    this.#clock = clock
  }

  /** What the origin last gave, for the next proof. */
  nonceOf(origin: string): string | undefined {
    return this.#nonces.get(origin)
  }

  /** @throws when the key is gone, which a token in use outlives by none. */
  async prove(
    { token, jkt }: BoundToken,
    method: string,
    url: URL,
    nonce: string | undefined,
  ): Promise<string> {
    const key = await this.#ring.find(jkt)
    if (key === undefined) throw new Error('the key of a bound token is gone')
    const { kty, crv, x, y } = key.jwk
    return new SignJWT({
      htm: method,
      htu: `${url.origin}${url.pathname}`,
      // A proof that is caught with its request opens nothing with another token.
      ath: createHash('sha256').update(token).digest('base64url'),
      ...(nonce === undefined ? {} : { nonce }),
    })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: { kty, crv, x, y } as object })
      .setJti(randomUUID())
      .setIssuedAt(this.#clock())
      .sign(key.privateKey)
  }

  hear(origin: string, nonce: string): void {
    if (nonce.length > MAX_NONCE_CHARS) return
    if (this.#nonces.size >= MAX_ORIGINS) this.#nonces.clear()
    this.#nonces.set(origin, nonce)
  }
}
