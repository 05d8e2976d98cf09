import type { RunScript } from './redis-index.ts'
import { SPEND } from './redis-scripts.ts'
import type { BucketSpent } from './store.ts'

/** Buckets of one script; a longer one would hold up everybody else at the Redis. */
const MAX_KEYS = 250

/** The first digit of the name chooses one of 16 slots of a cluster: a script reaches one alone. */
const bucketKey = (name: string) => `bff:rate:{${name[0]}}:${name.slice(1, 33)}`

export async function spendInRedis(
  run: RunScript,
  spent: readonly BucketSpent[],
): Promise<number[]> {
  const ahead: number[] = []
  const places = spent.map((bucket, place) => ({ ...bucket, place, key: bucketKey(bucket.name) }))
  const bySlot = Map.groupBy(places, ({ name }) => name[0])
  await Promise.all(
    [...bySlot.values()].flatMap(chunks).map(async (chunk) => {
      const [first, ...others] = chunk.map(({ key }) => key)
      if (first === undefined) return
      const values = chunk.flatMap(({ spentMs, ageMs }) => [spentMs.toFixed(3), ageMs.toFixed(3)])
      const answers = (await run(SPEND, [first, ...others], values)) as Buffer[]
      for (const [i, { place }] of chunk.entries()) ahead[place] = Number(answers[i])
    }),
  )
  return ahead
}

function chunks<T>(all: readonly T[]): T[][] {
  const parts: T[][] = []
  for (let at = 0; at < all.length; at += MAX_KEYS) parts.push(all.slice(at, at + MAX_KEYS))
  return parts
}
