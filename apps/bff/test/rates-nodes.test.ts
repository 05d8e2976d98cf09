import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { type AppProcess, startNodes } from '@audience-bridge/testkit/nodes.ts'
import { startRedis, withRedis } from '@audience-bridge/testkit/redis.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { asAdmin, CRUD, startWorld as startWorkers } from './workers-world.ts'

const BURST = 40
const LIMIT = `    rate_limit:\n      per_session: { requests: ${BURST}, seconds: 3600 }\n`

test('two nodes share a limit, and together let one bucket more through at the most', async (t) => {
  const redis = await startRedis(t)
  const echo = await startEcho(t)
  const nodes = await startNodes(t, {
    count: 2,
    edits: {
      'BFF/config/settings.yaml': inOrder(withRedis(redis, redis.directory), (text) =>
        text.replace(/events:\n(?: .*\n)+/, ''),
      ),
      'BFF/config/routes.yaml': inOrder(
        replace('  crud_service:\n', `  crud_service:\n${LIMIT}`),
        (text) => text.replaceAll(/base_url: .*/g, `base_url: ${echo.origin}`),
      ),
    },
  })
  const [a, b] = nodes.bffs as [AppProcess, AppProcess]
  const status = async (node: AppProcess, who: Awaited<ReturnType<typeof nodes.signedIn>>) => {
    const answer = await nodes.call(node, who, '/api/crud/x')
    await answer.arrayBuffer()
    return answer.status
  }
  const passed = (all: number[]) => all.filter((one) => one === 200).length

  await t.test('all at once: no more than both buckets', async () => {
    const who = await nodes.signedIn()
    assert.deepEqual(await Promise.all([a, b].map((node) => status(node, who))), [200, 200])
    const burst = await Promise.all(
      [a, b].flatMap((node) => Array.from({ length: 2 * BURST }, () => status(node, who))),
    )
    const total = 2 + passed(burst)
    assert.ok(total >= BURST && total <= 2 * BURST, `${total}`)
    assert.deepEqual(new Set(burst), new Set([200, 429]))
  })

  await t.test(
    'one after the other: what one has let through is missing at the other',
    async () => {
      const who = await nodes.signedIn()
      // Each has the token, or the first calls would be slower than a round.
      await Promise.all([a, b].map((node) => status(node, who)))
      const first: number[] = []
      for (let i = 0; i < BURST / 2; i++) first.push(await status(a, who))
      assert.equal(passed(first), BURST / 2)
      // It learns of it with the round that follows its next call.
      let there = 0
      await until('the other node to refuse', async () => {
        const answer = await status(b, who)
        if (answer === 200) there++
        return answer === 429
      })
      const total = 2 + BURST / 2 + there
      assert.ok(total >= BURST && total < 2 * BURST, `${total}`)
      let here = 0
      await until('the first one to hear of the second', async () => {
        const answer = await status(a, who)
        if (answer === 200) here++
        return answer === 429
      })
      assert.ok(total + here < 2 * BURST, `${total} ${here}`)
    },
  )

  await t.test('while the store is away each goes on by itself', async () => {
    const who = await nodes.signedIn()
    assert.equal(await status(a, who), 200)
    redis.pause()
    // Sessions are trusted for a second without the store.
    const alone = await Promise.all(Array.from({ length: 2 * BURST }, () => status(a, who)))
    redis.resume()
    const through = 1 + passed(alone)
    assert.ok(through <= BURST, `${through}`)
    assert.ok(alone.includes(429))
    await until('the store again', async () => (await status(b, who)) !== 503)
  })
})

test('two workers share a limit through their SQLite file', async (t) => {
  const { nodes, pin } = await startWorkers(t, (text) => text.replace(/events:\n(?: .*\n)+/, ''))
  const [one, two] = [await pin(1), await pin(2)]
  const who = await nodes.signedIn()
  assert.equal((await one.call(who, CRUD)).status, 200)
  nodes.reconfigure({
    'BFF/config/routes.yaml': replace('  crud_service:\n', `  crud_service:\n${LIMIT}`),
  })
  const reload = await one.call(undefined, '/admin/reload', {
    method: 'POST',
    headers: asAdmin(nodes),
  })
  assert.equal(reload.status, 200)
  let passed = 0
  for (let i = 0; i < BURST / 2; i++) if ((await one.call(who, CRUD)).status === 200) passed++
  assert.equal(passed, BURST / 2)
  await until('the other worker to refuse', async () => {
    const { status } = await two.call(who, CRUD)
    if (status === 200) passed++
    return status === 429
  })
  assert.ok(passed >= BURST && passed < 2 * BURST, `${passed}`)
})
