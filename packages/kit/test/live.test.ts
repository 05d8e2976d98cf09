import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createLive, type Reading } from '../src/live.ts'
import type { Logger } from '../src/log.ts'
import { makeFolder, until } from './folder.ts'

interface Settings {
  version: string
}

/** A text is its own version; "bad" is refused, "warn" has a warning, "throw" throws. */
function readText(file: string): Reading<Settings> {
  const text = readFileSync(file, 'utf8')
  if (text === 'throw') throw new Error('the reader broke')
  if (text === 'bad') return { value: undefined, faults: ['settings.yaml:1:1 bad'] }
  return { value: { version: text }, faults: text === 'warn' ? ['a warning'] : [] }
}

function start(t: TestContext, read?: () => Promise<Reading<Settings>>) {
  const file = join(makeFolder(t), 'settings.yaml')
  writeFileSync(file, 'one')
  const lines: string[] = []
  const write = (fields: { version?: string }, message: string) => {
    lines.push(`${message} ${fields.version ?? ''}`.trim())
  }
  const live = createLive<Settings>({
    first: { value: { version: 'one' }, faults: [] },
    read: read ?? (() => readText(file)),
    paths: () => [file],
    log: { info: write, warn: write, error: write } as unknown as Logger,
    swapped: (now, before) => lines.push(`${before.version} to ${now.version}`),
  })
  t.after(() => live.close())
  return { file, live, lines }
}

test('a valid change is in force within a second and reported with its version', async (t) => {
  const { file, live, lines } = start(t)
  await until(() => lines.length > 0)
  lines.length = 0
  writeFileSync(file, 'two')
  await until(() => live.current().version === 'two')
  assert.deepEqual(lines, ['config reloaded two', 'one to two'])
  assert.equal(live.status().version, 'two')
  assert.equal(live.status().refused, false)
})

for (const [text, fault] of [
  ['bad', /settings\.yaml:1:1 bad/],
  ['throw', /the reader broke/],
] as const) {
  test(`"${text}" changes nothing, is reported once, and heals by the next change`, async (t) => {
    const { file, live, lines } = start(t)
    writeFileSync(file, text)
    await until(() => live.status().refused)
    assert.equal(live.current().version, 'one')
    assert.equal(live.version, 'one')
    assert.match(live.status().faults.join(), fault)
    await live.reload()
    assert.equal(lines.filter((line) => line === 'config refused one').length, 2, 'and once asked')
    writeFileSync(file, 'three')
    await until(() => !live.status().refused)
    assert.equal(live.current().version, 'three')
    assert.deepEqual(live.status().faults, [])
  })
}

test('a missing file is refused, and its return heals', async (t) => {
  const { file, live } = start(t)
  rmSync(file)
  await until(() => live.status().refused)
  writeFileSync(file, 'one')
  await until(() => !live.status().refused)
  assert.equal(live.version, 'one')
})

test('a value with warnings is in force and its warnings are told', async (t) => {
  const { file, live, lines } = start(t)
  writeFileSync(file, 'warn')
  await until(() => live.version === 'warn')
  assert.deepEqual(live.status().faults, ['a warning'])
  assert.equal(live.status().refused, false)
  assert.ok(lines.includes('config has warnings'))
})

test('what changed between the first reading and the watch is not missed', async (t) => {
  const { live } = start(t, async () => ({ value: { version: 'meanwhile' }, faults: [] }))
  await until(() => live.version === 'meanwhile')
})

test('readings never overlap, and what comes during one leads to one more', async (t) => {
  let under = 0
  let most = 0
  let count = 0
  const gates: (() => void)[] = []
  const { live } = start(t, async () => {
    most = Math.max(most, ++under)
    await new Promise<void>((resolve) => gates.push(resolve))
    under--
    return { value: { version: String(++count) }, faults: [] }
  })
  const asked = Promise.all([live.reload(), live.reload(), live.reload()])
  const opener = setInterval(() => gates.shift()?.(), 5)
  t.after(() => clearInterval(opener))
  const seen = await asked
  assert.equal(most, 1)
  assert.deepEqual(
    seen.map(({ version }) => version),
    ['2', '2', '2'],
  )
})

test('a closed one neither swaps nor reports what was still being read', async (t) => {
  let finish = () => {}
  const { live, lines } = start(t, async () => {
    await new Promise<void>((resolve) => {
      finish = resolve
    })
    return { value: { version: 'late' }, faults: [] }
  })
  live.close()
  finish()
  await until(() => true)
  await new Promise(setImmediate)
  assert.equal(live.version, 'one')
  assert.deepEqual(lines, [])
})
