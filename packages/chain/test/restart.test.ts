import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { readDocument } from '../src/document.ts'
import { formatFaults } from '../src/fault.ts'
import { restartFaults } from '../src/restart.ts'

const schema = z.strictObject({
  server: z.strictObject({ port: z.int(), host: z.string().optional() }),
  store: z.strictObject({ path: z.string() }),
  roles: z.array(z.string()),
})

const IN_FORCE = 'server:\n  port: 1\nstore:\n  path: a\nroles: [x]\n'

const CASES = [
  { name: 'nothing changed', text: IN_FORCE, says: [] },
  { name: 'only a free key changed', text: IN_FORCE.replace('[x]', '[y]'), says: [] },
  {
    name: 'a fixed key changed',
    text: IN_FORCE.replace('port: 1', 'port: 2'),
    says: [/^s\.yaml:2:9: server\.port: found 2; expected 1, which is in force/],
  },
  {
    name: 'a fixed key was added and another changed',
    text: IN_FORCE.replace('port: 1', 'port: 1\n  host: h').replace('path: a', 'path: b'),
    says: [/s\.yaml:3:9: server\.host: found "h"; expected nothing/, /s\.yaml:5:9: store\.path/],
  },
]

for (const { name, text, says } of CASES) {
  test(`what needs a restart: ${name}`, () => {
    const inForce = schema.parse(readDocument({ file: 's.yaml', text: IN_FORCE }, schema, {}).value)
    const document = readDocument({ file: 's.yaml', text }, schema, {})
    const wanted = schema.parse(document.value)
    const faults = restartFaults(document, inForce, wanted, ['server', 'store.path'])
    assert.equal(faults.length, says.length)
    const lines = formatFaults(faults).split('\n')
    for (const [at, pattern] of says.entries()) assert.match(lines[at] ?? '', pattern)
  })
}

test('what needs a restart is told without the secrets in it, old or new', () => {
  const secrets = z.strictObject({
    store: z.strictObject({
      key: z.string(),
      redis: z.strictObject({ url: z.string(), password: z.string() }).optional(),
    }),
  })
  const read = (text: string) => readDocument({ file: 's.yaml', text }, secrets, {})
  const texts = [
    'store:\n  key: old-hunter2\n',
    'store:\n  key: new-hunter2\n  redis:\n    url: u\n    password: first-hunter2\n',
    'store:\n  key: new-hunter2\n  redis:\n    url: u\n    password: second-hunter2\n',
  ]
  for (const [before = '', after = ''] of [texts.slice(0, 2), texts.slice(1, 3)]) {
    const [inForce, wanted] = [secrets.parse(read(before).value), secrets.parse(read(after).value)]
    const told = formatFaults(restartFaults(read(after), inForce, wanted, ['store']))
    assert.match(told, /store\.(key|redis\.password): found a value that is not shown/)
    assert.ok(!told.includes('hunter2'), told)
  }
})
