/** Resolves when `holds` does; throws when that takes longer than even a busy machine needs. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 5_000
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within 5 s: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
