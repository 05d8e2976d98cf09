/** Medians of what `measure` gives for one subject and the other, in turns. */
export async function inTurns<T>(
  small: T,
  large: T,
  turns: number,
  measure: (subject: T, turn: number) => Promise<number>,
): Promise<{ small: number; large: number }> {
  const [a, b]: [number[], number[]] = [[], []]
  for (let turn = 0; turn < turns; turn++) {
    a.push(await again(() => measure(small, turn)))
    b.push(await again(() => measure(large, turn)))
  }
  return { small: median(a), large: median(b) }
}

/** A machine that is busy with other things may let a store miss its deadline. */
export async function again<T>(body: () => Promise<T>, tries = 5): Promise<T> {
  try {
    return await body()
  } catch (cause) {
    if (tries === 1) throw cause
    await new Promise((resolve) => setTimeout(resolve, 1000))
    return again(body, tries - 1)
  }
}

export const atOnce = <T>(count: number, call: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => call(i)))

/** In milliseconds. */
export async function timed(body: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await body()
  return performance.now() - began
}

export const median = (figures: number[]) =>
  figures.sort((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN
