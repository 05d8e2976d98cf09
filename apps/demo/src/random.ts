/**
 * Repeatable chance. A stream is named by its parts (seed, day, person …), so that one day of one
 * person comes out the same whatever else is generated, in whatever order.
 */
export interface Random {
  /** Uniform in [0, 1). */
  unit(): number
  /** Whole, in [low, high]. */
  between(low: number, high: number): number
  chance(probability: number): boolean
  pick<T>(items: readonly [T, ...T[]]): T
  weighted<T extends { weight: number }>(items: readonly [T, ...T[]]): T
  /** Positive, with this median; `spread` is the sigma of its logarithm. */
  skewed(median: number, spread: number): number
  /** Whole, with this mean (Poisson). */
  count(mean: number): number
}

export function randomOf(...parts: readonly (string | number)[]): Random {
  const unit = mulberry32(fnv1a(parts.join('/')))
  const pick = <T>(items: readonly [T, ...T[]]): T =>
    items[Math.floor(unit() * items.length)] ?? items[0]

  return {
    unit,
    pick,
    between: (low, high) => low + Math.floor(unit() * (high - low + 1)),
    chance: (probability) => unit() < probability,
    weighted(items) {
      let left = unit() * items.reduce((sum, { weight }) => sum + weight, 0)
      for (const item of items) {
        left -= item.weight
        if (left < 0) return item
      }
      return items[0]
    },
    skewed(median, spread) {
      // Box and Muller; 1 - unit() is never 0.
      const normal = Math.sqrt(-2 * Math.log(1 - unit())) * Math.cos(2 * Math.PI * unit())
      return median * Math.exp(spread * normal)
    },
    count(mean) {
      const limit = Math.exp(-mean)
      let product = unit()
      let events = 0
      while (product > limit) {
        product *= unit()
        events += 1
      }
      return events
    },
  }
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  // Names that differ in their last character would start streams that resemble each other.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function mulberry32(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
