/** How two audiences that must be equal differ, where they nearly are. */
export function nearMiss(found: string, expected: string): string | undefined {
  if (found === expected) return undefined
  if (found.replace(/\/+$/, '') === expected.replace(/\/+$/, ''))
    return 'they differ by a trailing slash'
  if (found.toLowerCase() === expected.toLowerCase()) return 'they differ by upper and lower case'
  if (looseAudience(found) === looseAudience(expected))
    return 'they differ by case and a trailing slash'
  return undefined
}

/** What is left of an audience without case and trailing slashes: for hints, never for a match. */
export const looseAudience = (audience: string): string =>
  audience.replace(/\/+$/, '').toLowerCase()
