import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '@audience-bridge/kit/log.ts'
import { type Engine, EngineError } from '../src/engine/engine.ts'
import { createEventWriter } from '../src/ingest/flush.ts'

const log = createLog('test', 'silent')

/** A store whose inserts wait for `open()`, so that a test decides when the disk is done. */
function gatedStore() {
  const stored: string[][] = []
  let open = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  let poison: string | undefined
  const engine: Engine = {
    query: async <Row>(_sql: string, params = {}) => {
      const wanted = new Set((params as { keys: bigint[] }).keys.map(String))
      const known = stored.flat().filter((key) => wanted.has(key))
      return known.map((known_key) => ({ known_key })) as Row[]
    },
    insert: async (_table, rows) => {
      await gate
      const keys = rows.map((row) => (row as { key: string }).key)
      if (poison !== undefined && keys.includes(poison)) {
        throw new EngineError('failed', 'cannot take it')
      }
      stored.push(keys)
    },
    command: async () => {},
    close: async () => {},
  }
  return {
    engine,
    stored,
    open: () => open(),
    poison: (key: string) => {
      poison = key
    },
  }
}

const rows = (from: number, size: number) =>
  Array.from({ length: size }, (_, i) => ({ key: String(from + i) }))

test('what arrives while an insert runs goes into the next one together', async () => {
  const store = gatedStore()
  const writer = createEventWriter(store.engine, log)
  const writes = [writer.write(rows(0, 10))]
  for (let n = 1; n < 50; n += 1) writes.push(writer.write(rows(n * 10, 10)))
  store.open()
  const results = await Promise.all(writes)
  assert.ok(results.every(({ accepted }) => accepted === 10))
  assert.ok(store.stored.length <= 2, `${store.stored.length} inserts`)
})

test('nothing is acknowledged before it is stored', async () => {
  const store = gatedStore()
  const writer = createEventWriter(store.engine, log)
  let acknowledged = false
  const write = writer.write(rows(0, 1)).then(() => {
    acknowledged = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(acknowledged, false)
  store.open()
  await write
  assert.deepEqual(store.stored, [['0']])
})

test('a full queue says so at once and takes more when it has room', async () => {
  const store = gatedStore()
  const writer = createEventWriter(store.engine, log)
  const taken = [writer.write(rows(0, 1))]
  for (let n = 1; n <= 10; n += 1) taken.push(writer.write(rows(n * 5000, 5000)))
  await assert.rejects(
    writer.write(rows(99_000, 5000)),
    (cause) => cause instanceof EngineError && cause.kind === 'busy',
  )
  store.open()
  await Promise.all(taken)
  assert.equal((await writer.write(rows(99_000, 5000))).accepted, 5000)
})

test('a batch that the store cannot take fails alone', async () => {
  const store = gatedStore()
  store.poison('7')
  const writer = createEventWriter(store.engine, log)
  const first = writer.write(rows(100, 1))
  const good = writer.write(rows(200, 5))
  const bad = writer.write(rows(7, 1))
  store.open()
  assert.equal((await first).accepted, 1)
  assert.equal((await good).accepted, 5)
  await assert.rejects(bad, EngineError)
})

test('a drain waits for what was taken and refuses what comes after', async () => {
  const store = gatedStore()
  const writer = createEventWriter(store.engine, log)
  const write = writer.write(rows(0, 3))
  const drained = writer.drain()
  await assert.rejects(writer.write(rows(10, 1)), EngineError)
  store.open()
  await drained
  assert.equal((await write).accepted, 3)
})
