/** How two audiences that must be equal differ, where they nearly are. */
export function nearMiss(found: string, expected: string): string | undefined {
  if (found === expected) return undefined
  if (found.replace(/\/+$/, '') === expected.replace(/\/+$/, ''))
    return 'they differ by a trailing slash'
  if (found.toLowerCase() === expected.toLowerCase()) return 'they differ by upper and lower case'
  return undefined
}
