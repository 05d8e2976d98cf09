/** Resolves when `holds` does; throws when that takes longer than a change may take. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  withinMs = 1_000,
): Promise<void> {
  const end = performance.now() + withinMs
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
