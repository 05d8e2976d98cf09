/*
 * When a key of a ring is made, signs and goes. Pure. A new key is published before it signs, so that
 * whoever keeps our keys for a while has read it when it is first used; an old one stays until nothing
 * that it signed can be alive.
 */

/** Times are seconds since the epoch. A ring holds its keys in the order in which they sign. */
export interface DatedKey {
  createdAt: number
  /** From then on it signs, until the next one's time has come. */
  signsFrom: number
}

export interface RingRules {
  rotateAfterSeconds: number
  retireAfterSeconds: number
}

/** How often each node reads the rings, in seconds. */
export const READ_SECONDS = 60
/** For how long others may keep what `/.well-known/jwks.json` says, in seconds. */
export const PUBLISHED_SECONDS = 60
/**
 * Between the making of a key and its first use, in seconds. Every node must have read it
 * (`READ_SECONDS`) and everybody's copy of the published keys must have been renewed since
 * (`PUBLISHED_SECONDS`, and for those who do not heed it, some minutes more).
 */
export const AHEAD_SECONDS = 600

/** At most so many, as long as none is needed. */
const MAX_KEYS = 3

/** The key that signs now; undefined for an empty ring. */
export function signerOf<K extends DatedKey>(keys: readonly K[], now: number): K | undefined {
  return keys.findLast(({ signsFrom }) => signsFrom <= now) ?? keys[0]
}

/** Whether a new key is to be made. */
export function isDue(keys: readonly DatedKey[], now: number, rules: RingRules): boolean {
  const newest = keys.at(-1)
  return newest === undefined || newest.createdAt + rules.rotateAfterSeconds <= now
}

/** Whether a key waits for its time: another one would only make it wait longer. */
export const isPending = (keys: readonly DatedKey[], now: number) =>
  keys.some(({ signsFrom }) => signsFrom > now)

/** When the key that is made now begins to sign: the first one at once, nobody knows another. */
export const signsFromOf = (keys: readonly DatedKey[], now: number) =>
  keys.length === 0 ? now : now + AHEAD_SECONDS

/**
 * Without the keys that are no longer needed: old ones, and more than three.
 *
 * @param aliveSeconds how long something that a key signed, or is bound to it, can be alive.
 */
export function pruned<K extends DatedKey>(
  keys: readonly K[],
  now: number,
  rules: RingRules,
  aliveSeconds: number,
): readonly K[] {
  const kept = keys.filter(({ createdAt }, at) => {
    const next = keys[at + 1]
    const needed = next === undefined || now < next.signsFrom + aliveSeconds
    const young = now < createdAt + rules.retireAfterSeconds && keys.length - at <= MAX_KEYS
    return needed || young
  })
  return kept.length === keys.length ? keys : kept
}

export type KeyState = 'pending' | 'signing' | 'retired'

export function stateOf<K extends DatedKey>(key: K, keys: readonly K[], now: number): KeyState {
  const signer = signerOf(keys, now)
  if (key === signer) return 'signing'
  return key.signsFrom > now ? 'pending' : 'retired'
}
