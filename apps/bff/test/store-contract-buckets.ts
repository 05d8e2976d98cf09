import assert from 'node:assert/strict'
import { newId, type Run } from './store-contract-world.ts'

/** What several processes have let through, added up. */
export function bucketContract(run: Run): void {
  run('what processes spend of a bucket is added up', async (a, b) => {
    if (a.spend === undefined || b.spend === undefined) return
    const [one, other] = [newId(), newId()]
    const spent = (name: string, spentMs: number, ageMs = 0) => ({ name, spentMs, ageMs })
    const near = (found: number | undefined, expected: number) =>
      assert.ok(found !== undefined && found > expected - 2_000 && found <= expected, `${found}`)

    const [first] = await a.spend([spent(one, 60_000)])
    near(first, 60_000)
    const [second, alone] = await b.spend([spent(one, 40_000), spent(other, 5_000.25)])
    near(second, 100_000)
    near(alone, 5_000.25)
    // What refilled before it is told is not owed.
    const [past] = await a.spend([spent(newId(), 500, 1_000)])
    assert.equal(past, 0)
    const many = Array.from({ length: 1_000 }, (_, i) => spent(newId(), 10_000 + i * 10_000))
    const answers = await a.spend(many)
    for (const [i, answer] of answers.entries()) near(answer, 10_000 + i * 10_000)
    assert.equal(answers.length, many.length)
  })
}
