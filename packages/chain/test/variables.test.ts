// biome-ignore-all lint/suspicious/noTemplateCurlyInString: templates of the configuration files
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Environment, expandVariables } from '../src/variables.ts'

const cases: [what: string, text: string, env: Environment, expected: string][] = [
  ['a text without a template stays', 'plain $ text } {', {}, 'plain $ text } {'],
  ['a variable is replaced', 'http://${HOST}/x', { HOST: 'a' }, 'http://a/x'],
  ['a set variable beats its default', '${PORT:-8080}', { PORT: '9' }, '9'],
  ['an absent variable takes its default', '${PORT:-8080}', {}, '8080'],
  ['an empty variable takes its default', '${PORT:-8080}', { PORT: '' }, '8080'],
  ['an empty variable without a default is empty', 'a${X}b', { X: '' }, 'ab'],
  ['a default may be empty', '${SUFFIX:-}', {}, ''],
  ['a default may hold a template', '${URL:-http://h:${PORT:-8080}/x}', {}, 'http://h:8080/x'],
  ['the template in a default sees the environment', '${A:-${B:-c}}', { B: 'b' }, 'b'],
  ['a template in a default that is not used is not missed', '${A:-${B}}', { A: 'a' }, 'a'],
  ['several templates stand side by side', '${A}${B}-${A}', { A: '1', B: '2' }, '12-1'],
  ['a default may hold :-', '${A:-x:-y}', {}, 'x:-y'],
  ['a value is never expanded again', '${A}', { A: '${B}', B: 'secret' }, '${B}'],
  ['nor is one that a default names', '${X:-${A}}', { A: '${B:-${B}', B: 's' }, '${B:-${B}'],
  ['a value with $ and } stays', '${A}}', { A: '$&}' }, '$&}}'],
  ['what every object inherits is no variable', '${constructor:-own}', {}, 'own'],
]

test('templates', async (t) => {
  for (const [what, text, env, expected] of cases) {
    await t.test(what, () => {
      assert.deepEqual(expandVariables(text, env), { text: expected, faults: [] })
    })
  }
})

test('every missing variable is named, also in a default that is used', () => {
  const { faults } = expandVariables('${A} ${B:-${C}} ${toString}', {})
  assert.deepEqual(faults, [
    { code: 'variable_missing', name: 'A' },
    { code: 'variable_missing', name: 'C' },
    { code: 'variable_missing', name: 'toString' },
  ])
})

test('a template that never closes is a fault and shows where it begins', () => {
  for (const text of ['a ${B', 'a ${B:-${C}', '${']) {
    const { faults } = expandVariables(text, { B: 'b', C: 'c' })
    assert.deepEqual(faults, [{ code: 'template_unclosed', name: text.slice(text.indexOf('${')) }])
  }
})

test('whatever a variable holds, it arrives unchanged', () => {
  fc.assert(
    fc.property(fc.string(), fc.string({ minLength: 1 }), (before, value) => {
      fc.pre(!before.includes('$'))
      const { text, faults } = expandVariables(`${before}\${V:-d}`, { V: value, d: 'no' })
      assert.equal(text, before + value)
      assert.deepEqual(faults, [])
    }),
  )
})
