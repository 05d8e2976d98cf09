import { createHmac, timingSafeEqual } from 'node:crypto'

/** Nonces for DPoP proofs (RFC 9449 §9): a proof cannot be made before its nonce was known. */
export interface NonceSource {
  /** To be sent as `DPoP-Nonce`. */
  current(): string
  accepts(nonce: string | undefined): boolean
}

/**
 * Nonces that no process has to remember: each is a time and its keyed hash, good for `seconds` to
 * twice as long.
 *
 * @param secret at least 32 characters; the same in all processes behind one address.
 */
export function createNonces(
  secret: string,
  {
    seconds = 60,
    clock = () => Math.floor(Date.now() / 1000),
  }: { seconds?: number; clock?: () => number } = {},
): NonceSource {
  if (secret.length < 32) throw new Error('a secret for nonces has at least 32 characters')
  const at = (slot: number) =>
    createHmac('sha256', secret).update(`dpop nonce ${slot}`).digest('base64url')
  const slotOf = () => Math.floor(clock() / seconds)
  return {
    current: () => at(slotOf()),
    accepts(nonce) {
      const given = Buffer.from(nonce ?? '')
      return [slotOf(), slotOf() - 1].some((slot) => {
        const good = Buffer.from(at(slot))
        return given.length === good.length && timingSafeEqual(given, good)
      })
    },
  }
}
