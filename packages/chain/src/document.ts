import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  Scalar,
  visit,
} from 'yaml'
import type { z } from 'zod'
import type { Fault, Place } from './fault.ts'
import { hideSecret, showValue } from './hidden.ts'
import { nearest } from './nearest.ts'
import { knownKeys } from './schema.ts'
import { type Environment, expandVariables } from './variables.ts'

/** A configuration file's name, as faults print it, and its text. */
export interface SourceFile {
  file: string
  text: string
}

export type KeyPath = readonly (string | number)[]

/** A configuration file read against its schema. */
export interface ConfigDocument<T> {
  /** Undefined exactly when a fault was found. */
  value: T | undefined
  faults: Fault[]
  /** The place of a key's value, or of its nearest ancestor that stands in the file. */
  placeOf(path: KeyPath): Place
  /** A scalar as it is written, templates and all; undefined where none stands. */
  textOf(path: KeyPath): string | undefined
}

/**
 * Reads one YAML file: syntax, templates, then the schema; all faults at once.
 *
 * Templates are expanded in parsed scalars, never in the text: a value from the environment cannot
 * add keys. An expanded plain scalar takes its type anew, so `port: ${PORT:-8080}` is a number.
 */
export function readDocument<T>(
  source: SourceFile,
  schema: z.ZodType<T>,
  env: Environment,
): ConfigDocument<T> {
  const lines = new LineCounter()
  const document = parseDocument(source.text, {
    lineCounter: lines,
    uniqueKeys: true,
    prettyErrors: false,
  })
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { file: source.file, line: Math.max(1, line), column: Math.max(1, col) }
  }
  const placeOf = (path: KeyPath): Place => placeAt(offsetOf(document, path))
  const textOf = (path: KeyPath) => {
    const node: unknown = document.getIn(path, true)
    return isScalar(node) && node.value !== null ? node.source : undefined
  }

  const faults = [
    ...syntaxFaults(document, placeAt),
    ...(document.errors.length > 0 ? [] : templateFaults(document, placeAt, env)),
  ]
  const hidden = (found: readonly Fault[]) => found.map((fault) => hideSecret(fault, source.text))
  if (faults.length > 0) return { value: undefined, faults: hidden(faults), placeOf, textOf }

  const parsed = schema.safeParse(dropNulls(document.toJS()) ?? {}, { reportInput: true })
  if (parsed.success) return { value: parsed.data, faults: [], placeOf, textOf }
  return {
    value: undefined,
    faults: hidden(schemaFaults(parsed.error, schema, document, placeAt)),
    placeOf,
    textOf,
  }
}

function syntaxFaults(document: Document, placeAt: (offset: number) => Place): Fault[] {
  // A warning is an unknown tag: `!env NAME` would be read as the text NAME.
  return [...document.errors, ...document.warnings].map((error) => ({
    kind: 'malformed',
    code: error.code === 'DUPLICATE_KEY' ? 'duplicate_key' : 'yaml_syntax',
    at: placeAt(error.pos[0]),
    key: '',
    found: error.message,
    expected: error.code === 'DUPLICATE_KEY' ? 'each key once' : 'valid YAML 1.2',
    mend:
      error.code === 'DUPLICATE_KEY'
        ? 'delete or rename one of the two keys'
        : 'correct the syntax at this place',
  }))
}

function templateFaults(
  document: Document,
  placeAt: (offset: number) => Place,
  env: Environment,
): Fault[] {
  const faults: Fault[] = []
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
    Scalar(place, node) {
      if (place === 'key') {
        const fault = keyFault(node, placeAt)
        if (fault !== undefined) faults.push(fault)
        return
      }
      if (typeof node.value !== 'string' || !node.value.includes('${')) return
      const expanded = expandVariables(node.value, env)
      for (const { code, name } of expanded.faults) {
        faults.push({
          kind: 'malformed',
          code,
          at: placeAt(node.range?.[0] ?? 0),
          key: '',
          found: code === 'variable_missing' ? `\${${name}} without a source` : `"${name}"`,
          expected:
            code === 'variable_missing'
              ? `the environment variable ${name}, or a default`
              : 'a closing brace',
          mend:
            code === 'variable_missing'
              ? `set ${name} in the environment or write \${${name}:-default}`
              : 'close the template with }',
        })
      }
      node.value = node.type === Scalar.PLAIN ? plainValue(expanded.text) : expanded.text
    },
  })
  return faults
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

/** A key without a value is the same as no key. */
function dropNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(dropNulls)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .map(([key, inner]) => [key, dropNulls(inner)]),
  )
}

/** The value that YAML's core schema gives an unquoted scalar; numbers in decimal notation only. */
function plainValue(text: string): unknown {
  if (/^(null|Null|NULL|~|)$/.test(text)) return null
  if (/^(true|True|TRUE)$/.test(text)) return true
  if (/^(false|False|FALSE)$/.test(text)) return false
  return /^-?(0|[1-9][0-9]*)(\.[0-9]+)?$/.test(text) ? Number(text) : text
}

function offsetOf(document: Document, path: KeyPath): number {
  let node: unknown = document.contents
  let offset = startOf(node) ?? 0
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => keyText(item) === String(step))
      if (pair === undefined) return offset
      node = pair.value
      offset = startOf(node) ?? startOf(pair.key) ?? offset
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step]
      offset = startOf(node) ?? offset
    } else return offset
  }
  return offset
}

function startOf(node: unknown): number | undefined {
  return isScalar(node) || isMap(node) || isSeq(node) || isAlias(node)
    ? (node as Node).range?.[0]
    : undefined
}

function keyText(pair: Pair): string | undefined {
  return isScalar(pair.key) ? String(pair.key.value) : undefined
}

/** The offset of a key itself (not of its value), for faults about the key. */
function keyOffset(document: Document, parent: KeyPath, key: string): number {
  const node = parent.length === 0 ? document.contents : document.getIn(parent, true)
  if (!isMap(node)) return offsetOf(document, parent)
  const pair = node.items.find((item) => keyText(item) === key)
  return startOf(pair?.key) ?? offsetOf(document, parent)
}

function schemaFaults(
  error: z.ZodError,
  schema: z.ZodType,
  document: Document,
  placeAt: (offset: number) => Place,
): Fault[] {
  return error.issues.flatMap(deepestIssues).flatMap((issue): Fault[] => {
    const path = issue.path.filter((step) => typeof step !== 'symbol')
    const key = path.join('.')
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((unknown) => {
        const known = knownKeys(schema, path)
        const meant = nearest(unknown, known)
        return {
          kind: 'malformed',
          code: 'unknown_key',
          at: placeAt(keyOffset(document, path, unknown)),
          key: [...path, unknown].join('.'),
          found: `the unknown key "${unknown}"`,
          expected: known.length === 0 ? 'a documented key' : `one of ${known.join(', ')}`,
          mend: meant === undefined ? 'delete the key' : `did you mean "${meant}"?`,
        }
      })
    }
    const params: Record<string, unknown> = issue.code === 'custom' ? (issue.params ?? {}) : {}
    const missing = issue.input === undefined
    return [
      {
        kind: 'malformed',
        code:
          typeof params.code === 'string' ? params.code : missing ? 'missing_key' : 'invalid_value',
        at: placeAt(offsetOf(document, path)),
        key,
        found:
          typeof params.found === 'string'
            ? params.found
            : missing
              ? 'nothing'
              : shorten(showValue(issue.input)),
        expected: typeof params.expected === 'string' ? params.expected : expectation(issue),
        mend:
          typeof params.mend === 'string'
            ? params.mend
            : missing
              ? `add the key "${key}"`
              : key === ''
                ? 'make the file a mapping of keys to values'
                : `change the value of "${key}"`,
      },
    ]
  })
}

/** Of a union that failed, the issues of the branch that came nearest. */
function deepestIssues(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue]
  const depth = (branch: z.core.$ZodIssue[]) => Math.max(...branch.map(({ path }) => path.length))
  const best = issue.errors.reduce((a, b) => (depth(b) > depth(a) ? b : a))
  if (depth(best) === 0) return [issue]
  return best.flatMap((inner) => deepestIssues({ ...inner, path: [...issue.path, ...inner.path] }))
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `${article(issue.expected)} ${issue.expected}`
    case 'invalid_value':
      return `one of ${issue.values.map(String).join(', ')}`
    case 'invalid_union':
      return [...new Set(issue.errors.flat().map(expectation))].join(' or ')
    default:
      // Of zod's own words, what is expected: "Too big: expected number to be <=9".
      return issue.message.replace(/^(Too (big|small): (expected )?|Invalid ([a-z]+: )?)/, '')
  }
}

const article = (word: string) => (/^[aeiou]/.test(word) ? 'an' : 'a')
const shorten = (text: string | undefined) =>
  text === undefined ? 'nothing' : text.length > 120 ? `${text.slice(0, 117)}…` : text
