// biome-ignore-all lint/suspicious/noTemplateCurlyInString: templates of the configuration files
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Document, isMap, isScalar, isSeq, parseDocument } from 'yaml'
import { readDocument } from '../src/document.ts'
import { readPlainValue, readPlainYaml } from '../src/plain-yaml.ts'
import { shipped } from './shipped.ts'

/** All that the reading of a configuration asks of a node. */
function shape(node: unknown): unknown {
  if (isMap(node)) {
    const entries = node.items.map(({ key, value }) => [shape(key), shape(value)])
    return { from: node.range?.[0], flow: node.flow === true, entries }
  }
  if (isSeq(node)) {
    return { from: node.range?.[0], flow: node.flow === true, items: node.items.map(shape) }
  }
  if (!isScalar(node)) return node
  const { value, type, source, range } = node
  return { value, type, source, from: range?.[0], to: range?.[1] }
}

/** Whether it was read; if so, it must be what the parser proper makes of it. */
function agrees(text: string): boolean {
  const plain = readPlainYaml(text)
  if (plain === undefined) return false
  const proper: Document = parseDocument(text, { prettyErrors: false })
  assert.deepEqual([...proper.errors, ...proper.warnings], [], text)
  assert.deepEqual(shape(plain.contents), shape(proper.contents), text)
  assert.deepEqual(plain.toJS(), proper.toJS(), text)
  const asIs = readPlainValue(text, {}, (expanded) => expanded)
  if (!text.includes('${')) assert.deepEqual(asIs?.value, proper.toJS(), text)
  return true
}

const sources = (() => {
  const { routes, settings, idp, backends } = shipped()
  const others = idp === undefined ? [] : [idp.settings, idp.clients]
  return [routes, settings, ...others, ...Object.values(backends ?? {})]
})()

test('the shipped files are read', async (t) => {
  for (const { file, text } of sources) {
    await t.test(file, () => assert.ok(agrees(text)))
  }
})

test('what has rules of its own is left to the parser proper', async (t) => {
  const texts = [
    '',
    '# nothing',
    'a',
    '- a',
    'a:',
    'a: null',
    'a: ~',
    'a: &x 1',
    'a: *x',
    'a: !t 1',
    'a: |\n  x',
    'a: >\n  x',
    'a: x\n  y',
    'a: "x\n  y"',
    'a: "\\n"',
    "a: 'it''s'",
    'a: 1\na: 2',
    'a: 1\n b: 2',
    'a:\n  b: 1\n c: 2',
    'a: 01',
    'a: 1.5',
    'a: 1e3',
    'a: 0x1F',
    'a: -1',
    'a: .inf',
    'a: b: c',
    'a: b:',
    'a: [b',
    'a: [b, c: d]',
    'a: [true]',
    'a: [1]',
    'a: {b: c}',
    'a: [b]x',
    'a: "b" c',
    'a: b\tc',
    'a: b\r\nc: d',
    '1: a',
    'true: a',
    '"a": b',
    '? a\n: b',
    '---\na: b',
    'a: b\n---\nc: d',
    '%YAML 1.2\n---\na: b',
    'a:\n  - - b',
    'a:\n  -\n    b',
    'a:\n- b\n c: d',
    'a: @b',
    'a: `b',
    'a: %b',
    '\uFEFFa: b',
  ]
  for (const text of texts) {
    await t.test(JSON.stringify(text), () => assert.equal(readPlainYaml(text), undefined))
  }
})

test('what is plain is read as it is meant', async (t) => {
  const texts = [
    'a: b',
    'a: b # c',
    'a: b#c',
    'a: 12 # x\n\n\nb: true',
    'a: 127.0.0.1',
    'a: 10.0.0.0/8',
    'a: 1800s',
    'a: file:${X:-y}/z',
    'a: ${P:-80}',
    'a: http://h:80/x?y=z',
    'a:   # c\n  b: 1\n  # d\n  c:\n  - x\n  - y: 1\n    z: 2\ne: f',
    'a: []\nb: {}\nc: [ x , "y z", https://a.b/c ] # d',
    "a: 'x: y # z'",
    'a:\n    - b: "1"\n      c: [d]\n\n    - b: 2\n',
    'a_b.c-d: e f  g',
    'a: b\n    # odd comment\nc: d',
  ]
  for (const text of texts) {
    await t.test(JSON.stringify(text), () => assert.ok(agrees(text)))
  }
})

/** Breaks one thing somewhere: a character, a line, an indentation. */
const anyDamage = fc.record({
  at: fc.nat(),
  kind: fc.constantFrom('insert', 'delete', 'indent', 'double', 'drop', 'swap'),
  text: fc.oneof(
    fc.constantFrom(
      ...[' ', '  ', ':', ': ', '#', ' #', '-', '- ', '"', "'", '[', ']', '{', '}', ',', '|', '>'],
      ...['&', '*', '!', '?', '%', '@', '\\', '\n', '\t', '~', 'null', 'true', '1', '.', '${', '}'],
    ),
    fc.string({ maxLength: 3 }),
  ),
})

function damaged(
  text: string,
  { at, kind, text: piece }: { at: number; kind: string; text: string },
) {
  const offset = at % (text.length + 1)
  if (kind === 'insert') return text.slice(0, offset) + piece + text.slice(offset)
  if (kind === 'delete') return text.slice(0, offset) + text.slice(offset + 1)
  const lines = text.split('\n')
  const line = at % lines.length
  if (kind === 'indent') lines[line] = ` ${lines[line]}`
  if (kind === 'double') lines.splice(line, 0, lines[line] ?? '')
  if (kind === 'drop') lines.splice(line, 1)
  if (kind === 'swap') lines.push(...lines.splice(line, 1))
  return lines.join('\n')
}

test('whatever is done to a file: it is read as the parser proper reads it, or not at all', () => {
  let read = 0
  fc.assert(
    fc.property(
      fc.constantFrom(...sources),
      fc.array(anyDamage, { minLength: 1, maxLength: 4 }),
      ({ text }, damages) => {
        if (agrees(damages.reduce(damaged, text))) read++
      },
    ),
    { numRuns: 400 },
  )
  assert.ok(read > 20, `only ${read} were read at all`)
})

test('a value and its document say the same, templates and all', () => {
  const env = { BFF_PORT: '81', BFF_COOKIE_SUFFIX: '7', BRIDGE_DATA: '/x y' }
  for (const { file, text } of sources) {
    const looser = { safeParse: (value: unknown) => ({ success: true, data: value }) }
    const fast = readDocument({ file, text }, looser as never, env).value
    // A value that ends on the next line is left to the parser proper.
    const proper = readDocument({ file, text: `${text}\nzz: "a\n  b"\n` }, looser as never, env)
    assert.deepEqual({ ...(fast as object), zz: 'a b' }, proper.value)
  }
})
