import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startRedis, withRedis } from '@audience-bridge/testkit/redis.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { asAdmin, CRUD, childrenOf, csrfOf, sample, startWorld } from './workers-world.ts'

const withoutEvents = (text: string) => text.replace(/events:\n(?: .*\n)+/, '')
const asItIs = (text: string) => text

test('two workers over one SQLite file are one BFF', async (t) => {
  const { nodes, bff, pin, echo } = await startWorld(t, asItIs, withoutEvents)
  const [one, two] = [await pin(1), await pin(2)]
  const who = await nodes.signedIn()
  const admin = asAdmin(nodes)

  await t.test('concurrent first calls at both are one mint', async () => {
    const issued = () =>
      nodes.idp.logs.filter(
        ({ message, aud }) => message === 'token issued' && /crud/.test(`${aud}`),
      )
    const calls = Array.from({ length: 20 }, (_, i) => (i % 2 ? one : two).call(who, CRUD))
    for (const { status } of await Promise.all(calls)) assert.equal(status, 200)
    assert.equal(echo.arrivals.length, 20)
    await until('the line', () => issued().length > 0)
    assert.equal(issued().length, 1)
  })

  await t.test('the metrics are those of both, whichever answers', async () => {
    for (const worker of [one, two]) {
      const { text } = await worker.call(undefined, '/metrics', { headers: admin })
      const series = 'http_requests_total{method="GET",endpoint="api-crud",status="200"}'
      assert.equal(sample(text, series), 20, text)
      assert.equal(sample(text, 'bff_workers'), 2)
      assert.equal(sample(text, 'bff_idp_up'), 1, 'not the sum')
    }
  })

  await t.test('what one has seen the other explains', async () => {
    const { id, status } = await one.call(who, '/api/nowhere')
    assert.equal(status, 404)
    const { text } = await two.call(undefined, `/admin/explain/${id}`, { headers: admin })
    assert.equal(JSON.parse(text).request?.problem, 'ROUTE_NOT_FOUND', text)
  })

  await t.test('a reload is in force at both when it is answered', async () => {
    for (const path of ['/api/one/*', '/api/two/*']) {
      nodes.reconfigure({
        'BFF/config/routes.yaml': (text) =>
          `${text}\n  - id: ${path.slice(5, 8)}\n    path: ${path}\n    target_service: crud_service\n    auth: session\n`,
      })
      const reload = await one.call(undefined, '/admin/reload', { method: 'POST', headers: admin })
      assert.equal(JSON.parse(reload.text).refused, false, reload.text)
      for (const worker of [two, one]) {
        assert.equal((await worker.call(who, path.replace('*', 'x'))).status, 200)
      }
    }
  })

  await t.test('a sign-out at one is known by the other within a second', async () => {
    const other = await nodes.signedIn()
    for (const worker of [one, two]) assert.equal((await worker.call(other, CRUD)).status, 200)
    const token = await csrfOf(one, other)
    const began = performance.now()
    const out = await one.call(other, '/auth/logout', {
      method: 'POST',
      headers: { 'x-csrf-token': token, origin: other.bff },
    })
    assert.ok(out.status < 400, out.text)
    await until('the end', async () => (await two.call(other, CRUD)).status === 401)
    assert.ok(performance.now() - began < 1_000)
    assert.equal((await two.call(who, CRUD)).status, 200)
  })

  await t.test(
    'a worker that is killed is followed by another, and nothing is forgotten',
    async () => {
      const before = sample(
        (await two.call(undefined, '/metrics', { headers: admin })).text,
        'bff_sessions_created_total',
      )
      const [first] = childrenOf(bff.pid ?? 0)
      assert.ok(first !== undefined)
      process.kill(first, 'SIGKILL')
      await until('the loss', () =>
        bff.logs.some(({ message }) => /^worker \d died/.test(`${message}`)),
      )
      // The other takes all connections meanwhile.
      assert.equal((await nodes.call(bff, who, CRUD)).status, 200)
      await until('the return', () => bff.logs.some(({ message }) => /is back$/.test(`${message}`)))
      const again = await pin(
        Number(bff.logs.find(({ message }) => /is back$/.test(`${message}`))?.worker),
      )
      assert.equal((await again.call(who, CRUD)).status, 200)
      const { text } = await again.call(undefined, '/metrics', { headers: admin })
      assert.equal(sample(text, 'bff_sessions_created_total'), before)
      assert.equal(sample(text, 'bff_worker_restarts_total'), 1)
      assert.equal(sample(text, 'bff_workers'), 2)
    },
  )

  await t.test('a malformed file keeps a worker out, and the others stay', async () => {
    const settings = (edit: (text: string) => string) =>
      nodes.reconfigure({ 'BFF/config/settings.yaml': edit })
    settings(replace('workers: 2', 'workers: 3'))
    await until(
      'the refusal',
      () => bff.logs.filter(({ message }) => message === 'config refused').length === 2,
    )
    const last = childrenOf(bff.pid ?? 0).at(-1)
    assert.ok(last !== undefined)
    process.kill(last, 'SIGKILL')
    const deaths = () => bff.logs.filter(({ message }) => /^worker \d died/.test(`${message}`))
    // The one that follows would run with other settings than its sibling.
    await until('the second death', () => deaths().length >= 3)
    assert.equal((await nodes.call(bff, who, CRUD)).status, 200)
    settings(replace('workers: 3', 'workers: 2'))
    await until(
      'the return',
      () => bff.logs.filter(({ message }) => /is back$/.test(`${message}`)).length === 2,
    )
  })

  await t.test(
    'a primary that is killed takes its workers along, and nothing stays locked',
    async () => {
      const workers = childrenOf(bff.pid ?? 0)
      assert.equal(workers.length, 2)
      await bff.stop('SIGKILL')
      await until('their end', () =>
        workers.every((pid) => {
          try {
            process.kill(pid, 0)
            return false
          } catch {
            return true
          }
        }),
      )
      await bff.start()
      assert.equal((await nodes.call(bff, who, CRUD)).status, 200)
    },
  )

  await t.test('a stop waits for what is under way, at every worker', async () => {
    const held: (() => void)[] = []
    echo.intercept = (_req, res) => {
      held.push(() => res.end('late'))
      return true
    }
    const pins = [await pin(1), await pin(2)]
    const calls = pins.map((worker) => worker.call(who, CRUD))
    await until('both', () => held.length === 2)
    const workers = childrenOf(bff.pid ?? 0)
    const stopped = bff.stop()
    await until(
      'both stopping',
      () => bff.logs.filter(({ message, worker }) => message === 'stopping' && worker).length === 2,
    )
    for (const finish of held) finish()
    for (const { status, text } of await Promise.all(calls)) {
      assert.deepEqual([status, text], [200, 'late'])
    }
    assert.equal(await stopped, 0)
    for (const pid of workers) assert.throws(() => process.kill(pid, 0))
  })
})

test('two workers over one Redis are one BFF', async (t) => {
  const redis = await startRedis(t)
  const store = inOrder(withRedis(redis, redis.directory), withoutEvents)
  const { nodes, pin } = await startWorld(t, store)
  const [one, two] = [await pin(1), await pin(2)]
  const who = await nodes.signedIn()
  for (const worker of [one, two]) assert.equal((await worker.call(who, CRUD)).status, 200)
  const token = await csrfOf(one, who)
  const began = performance.now()
  await one.call(who, '/auth/logout', {
    method: 'POST',
    headers: { 'x-csrf-token': token, origin: who.bff },
  })
  await until('the end', async () => (await two.call(who, CRUD)).status === 401)
  assert.ok(performance.now() - began < 1_000)
})
