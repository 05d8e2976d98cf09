import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT, temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'
import { runBridge } from './bridge.ts'

test('a verb that does not exist is named, with those that do: exit 2', (t) => {
  const directory = temporaryDirectory(t)
  // What every object inherits is no verb.
  for (const verb of ['chek', 'constructor', '']) {
    const { status, stdout, stderr } = runBridge(directory, [verb])
    assert.equal(status, 2)
    assert.equal(stdout, '')
    assert.match(stderr, /bridge <verb>/)
    if (verb !== '') assert.match(stderr, new RegExp(`unknown verb "${verb}"`))
  }
})

test('help is no fault', (t) => {
  const directory = temporaryDirectory(t)
  for (const args of [['--help'], ['check', '--help']]) {
    const { status, stdout } = runBridge(directory, args)
    assert.equal(status, 0)
    assert.match(stdout, /add-service NAME/)
  }
})

test('schema prints one schema, lists all, or writes them', (t) => {
  const directory = temporaryDirectory(t)
  const names = runBridge(directory, ['schema']).stdout.trim().split('\n')
  assert.deepEqual(
    names.map((name) => `${name}.json`).sort(),
    readdirSync(join(ROOT, 'ServiceConfigs/schema')).sort(),
  )
  const printed = runBridge(directory, ['schema', 'bff-routes']).stdout
  assert.equal(JSON.parse(printed).title, 'ServiceConfigs/BFF/config/routes.yaml')
  assert.equal(runBridge(directory, ['schema', '--out', 'out']).status, 0)
  assert.equal(readFileSync(join(directory, 'out/bff-routes.json'), 'utf8'), printed)
  assert.equal(runBridge(directory, ['schema', 'nothing']).status, 2)
})
