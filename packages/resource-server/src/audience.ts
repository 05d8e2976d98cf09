/**
 * Why a token's `aud` is not exactly `expected`, or undefined when it is. One value only: a token
 * for several audiences can be used by one of them against the others, and `empowernow` in it would
 * open every service. Nothing is normalised; a near miss is said to be one, because a trailing slash
 * is the commonest cause and the hardest to see.
 */
export function mismatchText(aud: unknown, expected: string): string | undefined {
  const found = Array.isArray(aud) ? aud : [aud]
  if (found.length === 1 && found[0] === expected) return undefined
  if (found.length > 1) {
    return `expected audience ${expected} alone, found ${found.length}: ${found.join(' ')}`
  }
  const one = String(found[0] ?? 'none')
  return `expected audience ${expected}, found ${one}${nearMiss(one, expected)}`
}

function nearMiss(found: string, expected: string): string {
  const bare = (text: string) => text.replace(/\/+$/, '')
  if (bare(found) === bare(expected)) return ' (they differ only by a trailing slash)'
  if (found.toLowerCase() === expected.toLowerCase()) {
    return ' (they differ only by upper and lower case)'
  }
  if (bare(found).toLowerCase() === bare(expected).toLowerCase()) {
    return ' (they differ only by a trailing slash and by upper and lower case)'
  }
  return ''
}
