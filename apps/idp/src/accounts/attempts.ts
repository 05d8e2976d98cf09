import type { Clock } from '@audience-bridge/kit/clock.ts'

/*
 * The limiter of password guesses. It counts failures in windows of five minutes, in memory:
 *   - 5 for one user name from one address (someone guesses, or has forgotten);
 *   - 50 for one user name from anywhere (many addresses guess one user's password);
 *   - 100 for one address (one password is tried on many users).
 * A guess is counted before the hash is computed and given back on success, so that parallel
 * requests cannot outrun the count. At most 10 000 windows are kept; the oldest give way. A restart
 * forgets all of it, and several IdP processes count apart: it slows guessing, it is no lock.
 */

const WINDOW_SECONDS = 300
const MAX_WINDOWS = 10_000
const LIMITS = { pair: 5, username: 50, address: 100 }

export type Attempt =
  | { kind: 'allowed' /** The password fitted: the guess is not one. */; succeeded(): void }
  | { kind: 'limited'; retryAfterSeconds: number }

export interface Attempts {
  begin(username: string, address: string): Attempt
}

export function createAttempts(clock: Clock): Attempts {
  const windows = new Map<string, { failures: number; endsAt: number }>()

  const live = (key: string, now: number) => {
    const current = windows.get(key)
    return current !== undefined && current.endsAt > now ? current : undefined
  }
  const open = (key: string, now: number) => {
    const current = live(key, now)
    if (current !== undefined) return current
    const fresh = { failures: 0, endsAt: now + WINDOW_SECONDS }
    windows.delete(key)
    windows.set(key, fresh)
    if (windows.size > MAX_WINDOWS) {
      const [oldest] = windows.keys()
      if (oldest !== undefined) windows.delete(oldest)
    }
    return fresh
  }

  return {
    begin(username, address) {
      const now = clock()
      const keys = [
        { key: `pair\n${username}\n${address}`, limit: LIMITS.pair },
        { key: `username\n${username}`, limit: LIMITS.username },
        { key: `address\n${address}`, limit: LIMITS.address },
      ]
      const full = keys.flatMap(({ key, limit }) => {
        const window = live(key, now)
        return window !== undefined && window.failures >= limit ? [window] : []
      })
      // A refused guess opens no window: else whoever is limited could push the windows out by
      // guessing at thousands of names, and begin anew.
      if (full.length > 0) {
        const ends = Math.max(...full.map(({ endsAt }) => endsAt))
        return { kind: 'limited', retryAfterSeconds: Math.max(1, ends - now) }
      }
      const counted = keys.map(({ key }) => ({ window: open(key, now) }))
      for (const { window } of counted) window.failures++
      return {
        kind: 'allowed',
        succeeded() {
          for (const { window } of counted) window.failures--
        },
      }
    },
  }
}
