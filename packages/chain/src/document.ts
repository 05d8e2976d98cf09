import { type Document, parseDocument } from 'yaml'
import type { z } from 'zod'
import type { Fault, Place } from './fault.ts'
import { hideSecrets } from './hidden.ts'
import { LinePlaces } from './line-places.ts'
import { readPlainValue, readPlainYaml } from './plain-yaml.ts'
import { schemaFaults } from './schema-faults.ts'
import { plainValue, templateFaults } from './template-faults.ts'
import type { Environment } from './variables.ts'
import { offsetOf, textAt } from './yaml-place.ts'

/** A configuration file's name, as faults print it, and its text. */
export interface SourceFile {
  file: string
  text: string
}

export type KeyPath = readonly (string | number)[]

/** A configuration file read against its schema. */
export interface ConfigDocument<T> {
  /** Its name, as faults print it. */
  file: string
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
  const { file } = source
  const places = new LinePlaces(source)
  const placeAt = (offset: number): Place => places.at(offset)
  let nodes: Document | undefined
  const parse = (): Document => {
    nodes ??=
      readPlainYaml(source.text) ??
      parseDocument(source.text, { uniqueKeys: true, prettyErrors: false })
    return nodes
  }
  const placeOf = (path: KeyPath): Place => placeAt(offsetOf(parse(), path))
  const textOf = (path: KeyPath) => textAt(parse(), path)

  // The common case: a sound file in plain YAML, of which nobody asks for a place.
  const plain = readPlainValue(source.text, env, plainValue)
  if (plain !== undefined) {
    const sound = schema.safeParse(plain.value)
    if (sound.success) return { value: sound.data, faults: [], file, placeOf, textOf }
  }

  const document = parse()
  const faults = [
    ...syntaxFaults(document, placeAt),
    ...(document.errors.length > 0 ? [] : templateFaults(source, document, placeAt, env)),
  ]
  const refused = (found: readonly Fault[]) => ({
    value: undefined,
    faults: hideSecrets(found, source.text),
    file,
    placeOf,
    textOf,
  })
  if (faults.length > 0) return refused(faults)

  const parsed = schema.safeParse(dropNulls(document.toJS()) ?? {}, { reportInput: true })
  if (parsed.success) return { value: parsed.data, faults: [], file, placeOf, textOf }
  return refused(schemaFaults(parsed.error, schema, document, placeAt))
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
