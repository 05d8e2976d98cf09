import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { readDocument } from '../src/document.ts'
import { formatFaults } from '../src/fault.ts'

const schema = z.strictObject({
  port: z.int().optional(),
  client: z
    .strictObject({ client_secret: z.string().startsWith('file:'), id: z.string().optional() })
    .optional(),
})

/** Slips beside a secret: what is told of each must not hold it. */
const SLIPS = {
  'a number': 'client:\n  client_secret: 70073173\n',
  'a value that is refused': 'client:\n  client_secret: 70073173x\n',
  'a value that reads as a tag': 'client:\n  client_secret: !70073173\n',
  'a value that reads as an alias': 'client:\n  client_secret: *70073173\n',
  'a value that reads as a block': 'client:\n  client_secret: |70073173\n',
  'a value with a key in it': 'client:\n  client_secret: 70073173: x\n',
  'a place that wants no map': 'port: {client_secret: 70073173}\n',
  'a map that is refused': 'client: {client_secret: 70073173, id: 1}\n',
}

for (const [slip, text] of Object.entries(SLIPS)) {
  test(`${slip} is a fault that does not tell the secret`, () => {
    const { faults } = readDocument({ file: 's.yaml', text }, schema, {})
    assert.ok(faults.length > 0)
    assert.doesNotMatch(formatFaults(faults), /70073173/)
  })
}

test('what is beside no secret is told as it was found', () => {
  const { faults } = readDocument({ file: 's.yaml', text: 'port: 70073173x\n' }, schema, {})
  assert.match(formatFaults(faults), /s\.yaml:1:7: port: found "70073173x"/)
})
