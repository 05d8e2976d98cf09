/** The store's notation of a time: `2026-08-01 12:00:00.000`, UTC. */
export function storeTime(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').replace('Z', '')
}
