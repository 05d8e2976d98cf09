import { type Document, isScalar, isSeq, type Node, type Pair, Scalar, visit } from 'yaml'
import type { KeyPath, SourceFile } from './document.ts'
import type { Fault, Place } from './fault.ts'
import type { Edit, Patch } from './patch.ts'
import { defaultOf, type Environment, expandVariables, type VariableFault } from './variables.ts'
import { keyText } from './yaml-place.ts'

/** Expands every template where it stands, and tells what cannot be expanded or must not be there. */
export function templateFaults(
  source: SourceFile,
  document: Document,
  placeAt: (offset: number) => Place,
  env: Environment,
): Fault[] {
  const faults: Fault[] = []
  const patch = (edit: Edit | undefined): { patch?: Patch } =>
    edit === undefined ? {} : { patch: { file: source.file, edits: [edit] } }
  visit(document, {
    Alias(_, node) {
      faults.push({
        kind: 'malformed',
        code: 'yaml_alias',
        at: placeAt(node.range?.[0] ?? 0),
        key: '',
        found: `the alias *${node.source}`,
        expected: 'values written out: the place of a fault must be the place to change',
        mend: `write the value of &${node.source} here`,
      })
    },
    Scalar(place, node, parents) {
      if (place === 'key') {
        const fault = keyFault(node, placeAt)
        if (fault === undefined) return
        faults.push({ ...fault, ...patch(keyEdit(node, pathOf([...parents, node]))) })
        return
      }
      if (typeof node.value !== 'string' || !node.value.includes('${')) return
      const expanded = expandVariables(node.value, env)
      for (const fault of expanded.faults) {
        faults.push({
          kind: 'malformed',
          code: fault.code,
          at: placeAt(node.range?.[0] ?? 0),
          key: '',
          ...wordsFor(fault),
          ...patch(valueEdit(fault, node.value, pathOf([...parents, node]), source.text)),
        })
      }
      node.value = node.type === Scalar.PLAIN ? plainValue(expanded.text) : expanded.text
    },
  })
  return faults
}

const wordsFor = ({ code, name }: VariableFault) =>
  code === 'variable_missing'
    ? {
        found: `\${${name}} without a source`,
        expected: `the environment variable ${name}, or a default`,
        mend: `set ${name} in the environment or write \${${name}:-default}`,
      }
    : { found: `"${name}"`, expected: 'a closing brace', mend: 'close the template with }' }

/** A missing variable takes the default that it has elsewhere in the file; a template is closed. */
function valueEdit(
  { code, name }: VariableFault,
  value: string,
  path: KeyPath,
  text: string,
): Edit | undefined {
  if (code === 'template_unclosed') return { op: 'set', path, value: `${value}}` }
  const known = defaultOf(text, name)
  if (known === undefined) return undefined
  return { op: 'set', path, value: value.replaceAll(`\${${name}}`, `\${${name}:-${known}}`) }
}

/**
 * Keys are plain text. A template in a key would let the environment add keys; `1` beside `"1"`
 * passes the check for duplicates and one of them is lost; `__proto__` is dropped from records.
 */
function keyFault(node: Scalar, placeAt: (offset: number) => Place): Fault | undefined {
  const text = typeof node.value === 'string' ? node.value : undefined
  if (text !== undefined && text !== '__proto__' && !text.includes('${')) return undefined
  return {
    kind: 'malformed',
    code: 'key_not_text',
    at: placeAt(node.range?.[0] ?? 0),
    key: '',
    found: `the key ${node.source ?? String(node.value)}`,
    expected: 'a key of plain text, without a template',
    mend:
      text === undefined ? 'put the key in quotes' : 'write out the name that the key stands for',
  }
}

/** Quotes a number or the like; what it is a key of must not have the quoted one too. */
function keyEdit({ value }: Scalar, path: KeyPath): Edit | undefined {
  return typeof value === 'string' || value === null
    ? undefined
    : { op: 'rename', path, to: String(value) }
}

/** The path of the last of `nodes`, which lead to it from the document. */
function pathOf(nodes: readonly (Document | Node | Pair)[]): KeyPath {
  return nodes.flatMap((node, i): (string | number)[] => {
    const next = nodes[i + 1]
    if (isSeq(node)) return [node.items.indexOf(next)]
    if ('key' in node && isScalar(node.key)) return [keyText(node) ?? '']
    return []
  })
}

/** The value that YAML's core schema gives an unquoted scalar; numbers in decimal notation only. */
export function plainValue(text: string): unknown {
  if (/^(null|Null|NULL|~|)$/.test(text)) return null
  if (/^(true|True|TRUE)$/.test(text)) return true
  if (/^(false|False|FALSE)$/.test(text)) return false
  return /^-?(0|[1-9][0-9]*)(\.[0-9]+)?$/.test(text) ? Number(text) : text
}
