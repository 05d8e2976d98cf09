import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { bffStoreSchema } from '../src/bff-store.ts'
import { readDocument } from '../src/document.ts'
import { formatFault } from '../src/fault.ts'

const read = (store: string) =>
  readDocument(
    { file: 's.yaml', text: `store: ${store}\n` },
    z.strictObject({ store: bffStoreSchema }),
    {},
  )

test('where sessions may be kept', async (t) => {
  const redis = (more: string) => `{ key: k, directory: d, redis: { ${more} } }`
  const taken = [
    '{ key: k, path: p }',
    '{ key: k, path: p, directory: d }',
    redis('url: "redis://h"'),
    redis('url: "redis://user@[::1]:6380/3", password: "file:p"'),
    redis('url: "rediss://user@h:6380/", ca_file: ca.pem'),
    redis('url: "redis://h/0", cluster: true, seeds: ["redis://i", "redis://j:1"]'),
    redis('url: "redis://h", sentinel_master: m, seeds: ["redis://i"], sentinel_password: s'),
  ]
  for (const store of taken) {
    await t.test(`takes ${store}`, () => {
      assert.deepEqual(read(store).faults.map(formatFault), [])
    })
  }

  const refused: [store: string, says: RegExp][] = [
    ['{ key: k }', /store\.path: found neither path nor redis/],
    ['{ path: p }', /store\.key: found nothing/],
    [
      '{ key: k, path: p, directory: d, redis: { url: "redis://h" } }',
      /store\.path: found path and redis/,
    ],
    [
      '{ key: k, redis: { url: "redis://h" } }',
      /store\.directory: found redis without a directory/,
    ],
    [redis('cluster: true'), /store\.redis\.url: found nothing/],
    [redis('url: h'), /store\.redis\.url.*expected redis:\/\//],
    [redis('url: "http://h"'), /expected redis:\/\//],
    [redis('url: "redis:///1"'), /expected redis:\/\//],
    [redis('url: "redis://h/one"'), /expected redis:\/\//],
    [redis('url: "redis://h?db=1"'), /expected redis:\/\//],
    [redis('url: "redis://u:hunter2@h"'), /found a URL with a password.*file:PATH/],
    [
      redis('url: "redis://h", cluster: true, seeds: ["redis://u:hunter2@i"]'),
      /store\.redis\.seeds\.0: found a URL with a password/,
    ],
    [redis('url: "redis://h", seeds: ["redis://i"]'), /seeds.*only of a cluster or of sentinels/],
    [redis('url: "redis://h", cluster: true, sentinel_master: m'), /cluster.*not together/],
    [redis('url: "redis://h", sentinel_password: hunter2'), /only together with sentinel_master/],
    [redis('url: "redis://h/1", cluster: true'), /database 0/],
    [redis('url: "redis://h", ca_file: f'), /ca_file.*only with a rediss:/],
    [redis('url: "redis://h", prefix: p'), /unknown key "prefix"/],
  ]
  for (const [store, says] of refused) {
    await t.test(`refuses ${store}`, () => {
      const { value, faults } = read(store)
      assert.equal(value, undefined)
      const told = faults.map(formatFault).join('\n')
      assert.match(told, says)
      assert.ok(!told.includes('hunter2'), 'no fault tells a password')
    })
  }
})
