// biome-ignore-all lint/suspicious/noTemplateCurlyInString: templates of the configuration files
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Document, parseDocument, visit } from 'yaml'
import { diffText } from '../src/diff-text.ts'
import type { KeyPath } from '../src/document.ts'
import { applyEdits } from '../src/edit.ts'
import type { Edit, YamlValue } from '../src/patch.ts'

const set = (path: KeyPath, value: YamlValue): Edit => ({ op: 'set', path, value })
const append = (path: KeyPath, value: YamlValue): Edit => ({ op: 'append', path, value })
const remove = (...path: KeyPath): Edit => ({ op: 'remove', path })
const rename = (path: KeyPath, to: string): Edit => ({ op: 'rename', path, to })

const cases: [what: string, before: string, edits: Edit[], after: string][] = [
  ['a scalar in place', 'a: 1 # why\nb: 2\n', [set(['a'], 3)], 'a: 3 # why\nb: 2\n'],
  ['quotes stay where they were', `a: "x"\nb: 'y'\n`, [set(['a'], 'z')], `a: "z"\nb: 'y'\n`],
  ['quotes only where needed', 'a: x\n', [set(['a'], '12')], 'a: "12"\n'],
  ['a template as it is', 'a: x\n', [set(['a'], '${A:-b}')], 'a: ${A:-b}\n'],
  ['templates elsewhere', 'a: ${A:-{}}\nb: x\n', [set(['b'], 'y')], 'a: ${A:-{}}\nb: y\n'],
  ['the same value changes nothing', "a: 'x'\n", [set(['a'], 'x')], "a: 'x'\n"],
  [
    'a new key, as deep as its siblings',
    'm:\n    a: 1\n',
    [set(['m', 'b'], 2)],
    'm:\n    a: 1\n    b: 2\n',
  ],
  [
    'a new key before a comment below',
    'm:\n  a: 1\n  # later\nn: 1\n',
    [set(['m', 'b'], 2)],
    'm:\n  a: 1\n  b: 2\n  # later\nn: 1\n',
  ],
  ['a new key without a last line break', 'a: 1', [set(['b'], 2)], 'a: 1\nb: 2'],
  ['a new key in CRLF', 'a: 1\r\nb: 2\r\n', [set(['c'], 3)], 'a: 1\r\nb: 2\r\nc: 3\r\n'],
  [
    'a new key apart, where keys stand apart',
    'a: 1\n\nb: 2\n',
    [set(['c'], 3)],
    'a: 1\n\nb: 2\n\nc: 3\n',
  ],
  [
    'a new key after a block text',
    'a: |\n  x\n\n  y\n',
    [set(['b'], 1)],
    'a: |\n  x\n\n  y\nb: 1\n',
  ],
  ['a new key in a flow mapping', 'm: {a: 1}\n', [set(['m', 'b'], '1,2')], 'm: {a: 1, b: "1,2"}\n'],
  ['missing parents', 'a: 1\n', [set(['m', 'n', 'o'], true)], 'a: 1\nm:\n  n:\n    o: true\n'],
  ['missing parents in flow', 'm: {a: 1}\n', [set(['m', 'n', 'o'], 1)], 'm: {a: 1, n: {o: 1}}\n'],
  ['a key into an empty mapping', 'm: {}\nz: 1\n', [set(['m', 'a'], 1)], 'm:\n  a: 1\nz: 1\n'],
  ['a key into no value', 'm: # none\nz: 1\n', [set(['m', 'a'], 1)], 'm:\n  a: 1 # none\nz: 1\n'],
  ['a file of comments', '# head\n', [set(['a', 'b'], 1)], '# head\na:\n  b: 1\n'],
  ['an empty file', '', [set(['a'], 1)], 'a: 1\n'],
  [
    'an item in block',
    'l:\n  - a # A\n  - b\nz: 1\n',
    [append(['l'], 'c')],
    'l:\n  - a # A\n  - b\n  - c\nz: 1\n',
  ],
  [
    'an item in a list without indent',
    'l:\n- a\nz: 1\n',
    [append(['l'], 'c')],
    'l:\n- a\n- c\nz: 1\n',
  ],
  [
    'a mapping as item',
    'l:\n  - a: 1\n    b: 2\n',
    [append(['l'], { a: 3, l: ['x', 'y'] })],
    'l:\n  - a: 1\n    b: 2\n  - a: 3\n    l: [x, y]\n',
  ],
  ['an item in flow', 'l: [a, b] # x\n', [append(['l'], 'c d')], 'l: [a, b, c d] # x\n'],
  ['an item behind a last comma', 'l: [a, b,]\n', [append(['l'], 'c')], 'l: [a, b, c,]\n'],
  [
    'an item in flow over lines',
    'l: [\n  a,\n  b\n]\n',
    [append(['l'], 'c')],
    'l: [\n  a,\n  b,\n  c\n]\n',
  ],
  [
    'an item beside a comment in flow',
    'l: [\n  a,\n  b # B\n]\n',
    [append(['l'], 'c')],
    'l: [\n  a,\n  b, c # B\n]\n',
  ],
  ['an item into []', 'l: []\n', [append(['l'], 'a')], 'l: [a]\n'],
  ['a mapping into []', 'l: []\n', [append(['l'], { a: 1 })], 'l:\n  - a: 1\n'],
  ['an item into no value', 'l:\nz: 1\n', [append(['l'], 'a')], 'l: [a]\nz: 1\n'],
  ['an item into a missing list', 'a: 1\n', [append(['m', 'l'], 'x')], 'a: 1\nm:\n  l: [x]\n'],
  [
    'a long list over lines',
    'a: 1\n',
    [set(['l'], ['x'.repeat(50), 'y'.repeat(50)])],
    `a: 1\nl:\n  - ${'x'.repeat(50)}\n  - ${'y'.repeat(50)}\n`,
  ],
  [
    'a key with its lines and its comment',
    'a: 1\n# of b\nb:\n  c: 1 # d\n\ne: 1\n',
    [remove('b')],
    'a: 1\n\ne: 1\n',
  ],
  [
    'the first key leaves the comment above',
    '# head\na: 1\nb: 2\n',
    [remove('a')],
    '# head\nb: 2\n',
  ],
  ['a key between gaps', 'a: 1\n\nb: 2\n\nc: 3\n', [remove('b')], 'a: 1\n\nc: 3\n'],
  ['the last key of a mapping', 'm:\n  a: 1\nz: 1\n', [remove('m', 'a')], 'm: {}\nz: 1\n'],
  ['a key in flow', 'm: {a: 1, b: 2, c: 3}\n', [remove('m', 'b')], 'm: {a: 1, c: 3}\n'],
  ['the last key in flow', 'm: {a: 1, b: 2}\n', [remove('m', 'b')], 'm: {a: 1}\n'],
  ['the only key in flow', 'm: {a: 1}\n', [remove('m', 'a')], 'm: {}\n'],
  ['an item of a list', 'l:\n  - a\n  - b\n  - c\n', [remove('l', 1)], 'l:\n  - a\n  - c\n'],
  ['the only item', 'l:\n  - a\nz: 1\n', [remove('l', 0)], 'l: []\nz: 1\n'],
  ['the first key of an item', 'l:\n  - a: 1\n    b: 2\n', [remove('l', 0, 'a')], 'l:\n  - b: 2\n'],
  ['an item in flow goes', 'l: [a, b, c]\n', [remove('l', 0)], 'l: [b, c]\n'],
  ['a key by another name', 'a: 1 # A\nb: 2\n', [rename(['a'], 'c d')], 'c d: 1 # A\nb: 2\n'],
  ['a number as key becomes text', 'm: {1: a}\n', [rename(['m', '1'], '1')], 'm: {"1": a}\n'],
  [
    'a scalar becomes a list',
    'a: x # A\nb: 1\n',
    [set(['a'], ['x', 'y'])],
    'a: [x, y] # A\nb: 1\n',
  ],
  ['a list becomes a scalar', 'a:\n  - x\n  - y\nb: 1\n', [set(['a'], 'x y')], 'a: x y\nb: 1\n'],
  [
    'each edit sees the one before',
    'a: 1\n',
    [set(['l'], []), append(['l'], 1), remove('a')],
    'l: [1]\n',
  ],
  [
    'added and removed again',
    'a: 1\n\nb: 2\n',
    [set(['c', 'd'], 1), remove('c')],
    'a: 1\n\nb: 2\n',
  ],
]

test('edits change the text that they concern, and no more', async (t) => {
  for (const [what, before, edits, after] of cases) {
    await t.test(what, () => assert.equal(applyEdits(before, edits), after))
  }
})

test('an edit that cannot be made changes nothing and says why', async (t) => {
  const refused: [what: string, text: string, edit: Edit, message: RegExp][] = [
    ['no YAML', 'a: [', set(['a'], 1), /not YAML/],
    ['a way through a scalar', 'a: 1', set(['a', 'b'], 1), /no mapping there/],
    ['an append to a scalar', 'a: 1', append(['a'], 1), /no such list/],
    ['a removal of nothing', 'a: 1', remove('b'), /cannot remove b/],
    ['a name that is taken', 'a: 1\nb: 2', rename(['a'], 'b'), /is there already/],
    // What an anchor names would change in two places.
    [
      'the target of an alias',
      'a: &x {b: 1}\nc: *x',
      set(['a', 'b'], 2),
      /changing something else/,
    ],
  ]
  for (const [what, text, edit, message] of refused) {
    await t.test(what, () => assert.throws(() => applyEdits(text, [edit]), message))
  }
})

const word = fc.oneof(
  fc.constantFrom(
    'a',
    'b',
    'read',
    'https://a/b',
    '${V:-x}',
    'true',
    '12',
    '',
    ' x',
    '- x',
    'a: b',
  ),
  fc.string({ maxLength: 12 }),
)
const scalar = fc.oneof(word, fc.integer(), fc.boolean())
const key = fc.oneof(fc.constantFrom('a', 'b', 'c', 'd'), word).filter((k) => k !== '__proto__')
const { value: anyValue } = fc.letrec<{ value: YamlValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}))

/** A file in a hand of its own: flow here, block there, comments, blank lines, wide indents. */
const anyFile = fc
  .record({
    value: fc.dictionary(key, anyValue, { minKeys: 1, maxKeys: 5, noNullPrototype: true }),
    marks: fc.array(fc.nat(9), { minLength: 1, maxLength: 20 }),
    indent: fc.constantFrom(2, 4),
    indentSeq: fc.boolean(),
  })
  .map(({ value, marks, indent, indentSeq }) => {
    const document: Document = parseDocument('')
    document.contents = document.createNode(value) as never
    let i = 0
    const mark = () => marks[i++ % marks.length] ?? 0
    visit(document, {
      Collection(at, node) {
        if (at !== null && mark() < 3) node.flow = true
      },
      Node(at, node, parents) {
        if (at !== 'value' || parents.some((p) => 'flow' in p && p.flow === true)) return
        if (mark() === 5) node.comment = ` comment ${i}`
      },
      Pair(_, pair) {
        if (typeof pair.key !== 'object' || pair.key === null) return
        if (mark() === 6) Object.assign(pair.key, { commentBefore: ` about ${i}` })
        if (mark() === 7) Object.assign(pair.key, { spaceBefore: true })
      },
    })
    return document.toString({ indent, indentSeq, lineWidth: mark() < 5 ? 0 : 40 })
  })

/** All paths of a value, the collections' among them. */
function pathsOf(value: unknown, path: KeyPath = []): KeyPath[] {
  if (typeof value !== 'object' || value === null) return [path]
  const entries: [string | number, unknown][] = Array.isArray(value)
    ? [...value.entries()]
    : Object.entries(value)
  return [path, ...entries.flatMap(([step, inner]) => pathsOf(inner, [...path, step]))]
}

const anyEdit = (text: string) => {
  const value: unknown = parseDocument(text).toJS()
  const paths = pathsOf(value).filter((path) => path.length > 0)
  const lists = paths.filter((path) => Array.isArray(valueAt(value, path)))
  const maps = [[], ...paths].filter((path) => isMapping(valueAt(value, path)))
  return fc.oneof(
    fc.tuple(fc.constantFrom(...paths), anyValue).map(([path, v]) => set(path, v)),
    fc
      .tuple(fc.constantFrom(...maps), key, anyValue)
      .map(([path, name, v]) => set([...path, `new ${name}`], v)),
    fc.constantFrom(...paths).map((path) => remove(...path)),
    ...(lists.length === 0
      ? []
      : [fc.tuple(fc.constantFrom(...lists), anyValue).map(([path, v]) => append(path, v))]),
    fc
      .constantFrom(...paths)
      .filter((path) => typeof path.at(-1) === 'string')
      .map((path) => rename(path, 'renamed key')),
  )
}

const valueAt = (value: unknown, path: KeyPath): unknown =>
  path.reduce<unknown>((inner, step) => (inner as Record<string, unknown>)[step], value)
const isMapping = (value: unknown) =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The same edit by the Document API, which keeps no bytes but knows what is meant. */
function byDocument(text: string, edit: Edit): unknown {
  const document = parseDocument(text)
  if (edit.op === 'set') document.setIn(edit.path, document.createNode(edit.value))
  else if (edit.op === 'append') document.addIn(edit.path, document.createNode(edit.value))
  else if (edit.op === 'remove') document.deleteIn(edit.path)
  else {
    const old: unknown = document.getIn(edit.path, true)
    document.deleteIn(edit.path)
    document.setIn([...edit.path.slice(0, -1), edit.to], old)
  }
  return document.toJS()
}

const commentsOf = (text: string) => text.match(/# (comment|about) \d+$/gm) ?? []

test('an edit means what the Document API makes of it, and leaves all other lines alone', () => {
  fc.assert(
    fc.property(
      anyFile.chain((text) => fc.tuple(fc.constant(text), anyEdit(text))),
      ([text, edit]) => {
        const result = applyEdits(text, [edit])
        assert.deepEqual(parseDocument(result).toJS(), byDocument(text, edit))
        assertOthersUntouched(text, result, edit)
      },
    ),
    { numRuns: 300 },
  )
})

/** The lines that changed are those of the entry, or next to where it was added. */
function assertOthersUntouched(text: string, result: string, edit: Edit): void {
  const before = text.split('\n')
  const after = result.split('\n')
  let top = 0
  while (top < before.length && top < after.length && before[top] === after[top]) top++
  let below = 0
  while (
    below < before.length - top &&
    below < after.length - top &&
    before.at(-1 - below) === after.at(-1 - below)
  )
    below++
  const document = parseDocument(text)
  const isNew = !document.hasIn(edit.path)
  const owner = isNew ? edit.path.slice(0, -1) : edit.path
  // In flow style the comma of the neighbour goes or comes along.
  const flow = owner.findIndex((_, i) => isFlow(document.getIn(owner.slice(0, i), true)))
  const [from, to] = linesOf(text, document, flow === -1 ? owner : owner.slice(0, flow))
  const touched = before.slice(top, before.length - below)
  const outside = touched.filter((line, i) => {
    const number = top + i
    // Its comment, its gap, and the bare dash of an item that begins a line later.
    const own = /^[\s-]*(#.*)?$/.test(line)
    return !own && (number < from || number > to)
  })
  // The last entry leaves `{}` behind its parent's key; a first one leaves its dash to the next.
  const neighbours = edit.op === 'remove' ? 1 : 0
  assert.ok(outside.length <= neighbours, `touched beside the entry: ${outside.join('\n')}`)
  if (isNew || edit.op === 'append' || edit.op === 'rename') {
    assert.ok(touched.length <= 1, `touched ${touched.join('\n')}`)
    assert.deepEqual(commentsOf(result), commentsOf(text))
  }
}

const isFlow = (node: unknown) => (node as { flow?: boolean } | undefined)?.flow === true

/** The lines from the key (or dash) of what stands at `path` to its end. */
function linesOf(text: string, document: Document, path: KeyPath): [from: number, to: number] {
  const lineOf = (offset: number) => text.slice(0, offset).split('\n').length - 1
  const range = (node: unknown) => (node as { range?: [number, number, number] } | null)?.range
  const own = range(document.getIn(path, true)) ?? range(document.contents) ?? [0, 0, 0]
  const parent = document.getIn(path.slice(0, -1), true) as {
    items?: { key?: { value?: unknown } }[]
  }
  const pair = parent?.items?.find((item) => String(item?.key?.value) === String(path.at(-1)))
  const start = range(pair?.key)?.[0] ?? own[0]
  return [lineOf(start), lineOf(Math.max(own[1], start))]
}

test('a change shows as a unified diff, and none as nothing', () => {
  assert.equal(diffText('a.yaml', 'a: 1\n', 'a: 1\n'), '')
  assert.equal(
    diffText('x/a.yaml', 'a: 1\nb: 2\n', 'a: 1\nb: 3\n'),
    '--- a/x/a.yaml\n+++ b/x/a.yaml\n@@ -1,2 +1,2 @@\n a: 1\n-b: 2\n+b: 3\n',
  )
})
