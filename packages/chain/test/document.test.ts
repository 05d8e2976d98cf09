// biome-ignore-all lint/suspicious/noTemplateCurlyInString: templates of the configuration files
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { readDocument } from '../src/document.ts'
import { formatFaults } from '../src/fault.ts'
import type { Environment } from '../src/variables.ts'

const schema = z.strictObject({
  server: z.strictObject({ host: z.string().default('h'), port: z.int().max(65_535) }).optional(),
  debug: z.boolean().optional(),
  mode: z.enum(['safe', 'fast']).optional(),
  names: z.record(z.string(), z.string()).optional(),
  scopes: z
    .union([z.string(), z.array(z.string()), z.strictObject({ list: z.array(z.string()) })])
    .optional(),
})

const read = (text: string, env: Environment = {}) =>
  readDocument({ file: 'a.yaml', text }, schema, env)

/** `line:column code key` of every fault, in the order of the file. */
const faultsOf = (text: string, env: Environment = {}) =>
  read(text, env)
    .faults.map(({ at, code, key }) => ({
      at,
      told: `${at.line}:${at.column} ${code} ${key}`.trim(),
    }))
    .sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column)
    .map(({ told }) => told)

const soundValue = (text: string, env: Environment = {}) => {
  const { value, faults } = read(text, env)
  assert.equal(formatFaults(faults), '')
  return value
}

test('all faults of a file are told at once, each with its place, code and mend', () => {
  const { value, faults } = read(
    ['server:', '  prot: 80', '  host: 7', 'mode: fats', 'debug: maybe', 'nmaes: {a: b}'].join(
      '\n',
    ),
  )
  assert.equal(value, undefined)
  assert.equal(
    formatFaults(faults),
    [
      'a.yaml:2:3: server.port: found nothing; expected a number. Mend: add the key "server.port" [missing_key]',
      'a.yaml:2:3: server.prot: found the unknown key "prot"; expected one of host, port. Mend: did you mean "port"? [unknown_key]',
      'a.yaml:3:9: server.host: found 7; expected a string. Mend: change the value of "server.host" [invalid_value]',
      'a.yaml:4:7: mode: found "fats"; expected one of safe, fast. Mend: change the value of "mode" [invalid_value]',
      'a.yaml:5:8: debug: found "maybe"; expected a boolean. Mend: change the value of "debug" [invalid_value]',
      'a.yaml:6:1: nmaes: found the unknown key "nmaes"; expected one of server, debug, mode, names, scopes. Mend: did you mean "names"? [unknown_key]',
    ].join('\n'),
  )
})

test('faults', async (t) => {
  const cases: [what: string, text: string, faults: string[]][] = [
    ['a key twice', 'debug: true\nmode: fast\ndebug: false', ['3:1 duplicate_key']],
    ['a nested key twice', 'names:\n  a: x\n  a: y', ['3:3 duplicate_key']],
    ['every syntax fault', 'debug: [1\nnames: {', ['2:1 yaml_syntax', '2:9 yaml_syntax']],
    ['a tab as indentation', 'server:\n\tport: 1', ['2:1 yaml_syntax']],
    ['two documents', 'debug: true\n---\ndebug: false', ['2:1 yaml_syntax']],
    // `!env NAME` is another tool's notation; here it would be the text NAME.
    ['an unknown tag', 'names:\n  a: !env NAME', ['2:6 yaml_syntax']],
    ['an alias', 'names: &n {a: b}\nserver: *n', ['2:9 yaml_alias']],
    ['a merge key', 'x: &x {a: b}\nnames:\n  <<: *x', ['3:7 yaml_alias']],
    ['a list in place of a mapping', '- debug', ['1:1 invalid_value']],
    ['a text in place of a mapping', 'debug', ['1:1 invalid_value']],
    ['too large a number', 'server: {port: 70000}', ['1:16 invalid_value server.port']],
    ['a missing variable', 'names:\n  a: ${NOPE}', ['2:6 variable_missing']],
    ['an unclosed template', 'names:\n  a: "${NOPE"', ['2:6 template_unclosed']],
    // The environment would decide which settings exist.
    ['a template as key', 'names:\n  ${X:-a}: b', ['2:3 key_not_text']],
    // `1` and `"1"` are two keys to YAML and one to the reader: the first would be lost.
    ['a number as key', 'names:\n  1: a\n  "1": b', ['2:3 key_not_text']],
    ['__proto__', 'names:\n  __proto__: a', ['2:3 key_not_text']],
    ['an unknown key far from any', 'zebra: 1', ['1:1 unknown_key zebra']],
  ]
  for (const [what, text, expected] of cases) {
    await t.test(what, () => {
      assert.deepEqual(faultsOf(text), expected)
      assert.equal(read(text).value, undefined)
    })
  }
})

test('a key that resembles none is not guessed at', () => {
  const [fault] = read('zebra: 1').faults
  assert.equal(fault?.mend, 'delete the key')
})

test('a value that fits no branch of a union is told what would fit', () => {
  const [fault, ...more] = read('scopes: 5').faults
  assert.deepEqual(more, [])
  assert.equal(fault?.expected, 'a string or an array or an object')
})

test('of a union, the branch that came nearest speaks', () => {
  assert.deepEqual(faultsOf('scopes:\n  list:\n    - a\n    - 5'), [
    '4:7 invalid_value scopes.list.1',
  ])
  assert.deepEqual(faultsOf('scopes: [a, 5]'), ['1:13 invalid_value scopes.1'])
})

test('a number out of its range is told the range', () => {
  const [fault] = read('server: {port: 70000}').faults
  assert.equal(fault?.expected, 'number to be <=65535')
})

test('a key without a value is the same as no key', () => {
  assert.deepEqual(soundValue('server:\ndebug: null\nmode: ~\nnames: {a: b}'), {
    names: { a: 'b' },
  })
  assert.deepEqual(soundValue('debug: ${DEBUG:-}'), {})
  assert.deepEqual(soundValue(''), {})
  assert.deepEqual(soundValue('# nothing but a comment'), {})
})

test('an unquoted template takes the type of what it becomes, a quoted one stays text', () => {
  const values: [template: string, env: Environment, value: unknown][] = [
    ['${P:-80}', {}, 80],
    ['${P:-80}', { P: '81' }, 81],
    ['8${P:-0}', {}, 80],
    ['-${P:-1}', {}, -1],
  ]
  for (const [template, env, value] of values) {
    assert.deepEqual(soundValue(`server:\n  port: ${template}`, env), {
      server: { host: 'h', port: value },
    })
  }
  for (const text of ['true', 'True', 'TRUE']) {
    assert.deepEqual(soundValue('debug: ${D}', { D: text }), { debug: true })
  }
  assert.deepEqual(soundValue('names: {a: "${P:-80}"}'), { names: { a: '80' } })
  assert.deepEqual(faultsOf('server: {port: "${P:-80}"}'), ['1:16 invalid_value server.port'])
})

test('the environment cannot add keys, lists, tags or aliases', () => {
  const values = ['x\ndebug: true', '{b: c}', '[1]', '!tag x', '*n', '# x', '- x', "'", '"', '|']
  for (const value of values) {
    assert.deepEqual(soundValue('names:\n  a: ${V}', { V: value }), { names: { a: value } })
    assert.deepEqual(soundValue('names: {a: "${V}"}', { V: value }), { names: { a: value } })
  }
})

test('the place of a key is that of its value, or of its nearest ancestor', () => {
  const { placeOf } = read('server:\n  port: 1\nnames: {a: b}\nmode:\n')
  const at = (...path: (string | number)[]) => {
    const { file, line, column } = placeOf(path)
    return `${file}:${line}:${column}`
  }
  assert.equal(at('server', 'port'), 'a.yaml:2:9')
  assert.equal(at('server', 'host'), 'a.yaml:2:3')
  assert.equal(at('names', 'a'), 'a.yaml:3:12')
  assert.equal(at('nowhere', 'at', 'all'), 'a.yaml:1:1')
})
