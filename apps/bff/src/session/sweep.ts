import type { SessionStore } from './store.ts'

/** How many expired rows of each kind one bite deletes at most, and how many bites a sweep has. */
const SWEEP = { limit: 25, bites: 800 }

/**
 * Deletes what has expired in small bites, as long as there is more: anybody can begin logins faster
 * than one bite a sweep.
 *
 * @returns false when there may be more.
 */
export async function sweepExpired(
  store: SessionStore,
  now: number,
  idleSeconds: number,
): Promise<boolean> {
  for (let bite = 0; bite < SWEEP.bites; bite++) {
    const deleted = await store.deleteExpired(now, idleSeconds, SWEEP.limit)
    if (deleted < SWEEP.limit) return true
    await new Promise((resolve) => setImmediate(resolve))
  }
  return false
}
