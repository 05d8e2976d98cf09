import { createHash } from 'node:crypto'

const MAX_SECONDS = 60
const MAX_ENTRIES = 5000

/**
 * Results by token, each for 60 s or until the token expires, whichever is sooner: a token is never
 * good for longer than it says. The key is the whole SHA-256: with a shortened one, two tokens could
 * be made to share an entry, and one caller would be taken for another. Beyond 5,000 entries the
 * oldest goes.
 */
export function createResultCache<T>(clock: () => number): {
  get(token: string): T | undefined
  put(token: string, value: T, expiresAt: number): void
} {
  const entries = new Map<string, { value: T; until: number }>()
  const keyOf = (token: string) => createHash('sha256').update(token).digest('base64')
  return {
    get(token) {
      const key = keyOf(token)
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      if (clock() < entry.until) return entry.value
      entries.delete(key)
      return undefined
    },
    put(token, value, expiresAt) {
      const until = Math.min(expiresAt, clock() + MAX_SECONDS)
      if (until <= clock()) return
      if (entries.size >= MAX_ENTRIES) {
        const oldest = entries.keys().next()
        if (!oldest.done) entries.delete(oldest.value)
      }
      entries.set(keyOf(token), { value, until })
    },
  }
}
