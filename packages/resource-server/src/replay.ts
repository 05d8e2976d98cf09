/**
 * Notes that a proof was used.
 *
 * @param until seconds since the epoch: from then on the proof is too old anyway.
 * @returns true exactly once for each key.
 */
export type ProofLedger = (key: string, until: number) => boolean | Promise<boolean>

const MAX_ENTRIES = 200_000

/**
 * The proofs that this process has seen, about 150 bytes each: a thief of a request cannot send it
 * again. Beyond 200,000 within the tolerated time the oldest are forgotten. Several processes behind
 * one address each see their own: give them a ledger that they share, or nonces.
 */
export function createProofLedger(clock: () => number): ProofLedger {
  const used = new Map<string, number>()
  let sweptAt = clock()
  return (key, until) => {
    const now = clock()
    if (now - sweptAt >= 10) {
      sweptAt = now
      for (const [old, end] of used) if (end < now) used.delete(old)
    }
    if (used.has(key)) return false
    if (used.size >= MAX_ENTRIES) {
      const oldest = used.keys().next()
      if (!oldest.done) used.delete(oldest.value)
    }
    used.set(key, until)
    return true
  }
}
