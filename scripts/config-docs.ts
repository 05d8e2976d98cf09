import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { analyticsSettingsSchema } from '@audience-bridge/chain/analytics-settings.ts'
import { bffIdpsSchema } from '@audience-bridge/chain/bff-idps.ts'
import { bffRoutesSchema } from '@audience-bridge/chain/bff-routes.ts'
import { bffSettingsSchema } from '@audience-bridge/chain/bff-settings.ts'
import { crudSettingsSchema } from '@audience-bridge/chain/crud-settings.ts'
import { idpClientsSchema } from '@audience-bridge/chain/idp-clients.ts'
import { idpSettingsSchema } from '@audience-bridge/chain/idp-settings.ts'
import type { Expression, ObjectPropertyKind } from 'oxc-parser'
import { parseSync } from 'oxc-parser'
import { z } from 'zod'

/*
 * Writes the tables of docs/configuration.md from the schemas: types, limits and defaults from the
 * schemas themselves, meanings from the doc comments above their keys. `--check` writes nothing and
 * fails when the page is stale.
 */

const ROOT = resolve(import.meta.dirname, '..')
const PAGE = join(ROOT, 'docs/configuration.md')
const SOURCES = join(ROOT, 'packages/chain/src')

const FILES = [
  ['BFF/config/routes.yaml', 'bff-routes.ts', 'bffRoutesSchema', bffRoutesSchema],
  ['BFF/config/settings.yaml', 'bff-settings.ts', 'bffSettingsSchema', bffSettingsSchema],
  ['BFF/config/idps.yaml', 'bff-idps.ts', 'bffIdpsSchema', bffIdpsSchema],
  ['IdP/config/settings.yaml', 'idp-settings.ts', 'idpSettingsSchema', idpSettingsSchema],
  ['IdP/config/clients.yaml', 'idp-clients.ts', 'idpClientsSchema', idpClientsSchema],
  [
    'Analytics/config/settings.yaml',
    'analytics-settings.ts',
    'analyticsSettingsSchema',
    analyticsSettingsSchema,
  ],
  ['CRUD/config/settings.yaml', 'crud-settings.ts', 'crudSettingsSchema', crudSettingsSchema],
] as const

/** What the source says of one key, and of the keys below it. */
interface Doc {
  text: string
  /** Documented elsewhere, refused here. */
  refused: boolean
  /** A type that the schema's own words do not tell. */
  type: string | undefined
  below: Map<string, Doc>
}

/** Named schemas whose check JSON Schema cannot express. */
const NAMED_TYPES: Record<string, string> = {
  httpUrl: 'http(s) URL',
  scopeText: 'scopes in one text',
  scopeToken: 'scope',
}

const newDoc = (more: Partial<Doc> = {}): Doc => ({
  text: '',
  refused: false,
  type: undefined,
  below: new Map(),
  ...more,
})

/** A schema module: its constants by name, its imports, and the doc comments by where they end. */
interface Module {
  file: string
  text: string
  constants: Map<string, Expression>
  imports: Map<string, string>
  comments: readonly { value: string; start: number; end: number }[]
}

const modules = new Map<string, Module>()

function moduleAt(file: string): Module {
  const known = modules.get(file)
  if (known !== undefined) return known
  const text = readFileSync(file, 'utf8')
  const { program, module, comments } = parseSync(file, text)
  const constants = new Map<string, Expression>()
  for (const statement of program.body) {
    const declared = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
    if (declared?.type !== 'VariableDeclaration') continue
    for (const { id, init } of declared.declarations) {
      if (id.type === 'Identifier' && init !== null) constants.set(id.name, init)
    }
  }
  const imports = new Map(
    module.staticImports
      .filter(({ moduleRequest }) => moduleRequest.value.startsWith('./'))
      .flatMap(({ moduleRequest, entries }) =>
        entries.map(({ localName }): [string, string] => [
          localName.value,
          join(dirname(file), moduleRequest.value),
        ]),
      ),
  )
  const made = { file, text, constants, imports, comments }
  modules.set(file, made)
  return made
}

/** Follows a name to its expression, through one import if need be. */
function follow(name: string, from: Module): { expression: Expression; in: Module } | undefined {
  const own = from.constants.get(name)
  if (own !== undefined) return { expression: own, in: from }
  const file = from.imports.get(name)
  const expression = file === undefined ? undefined : moduleAt(file).constants.get(name)
  return file === undefined || expression === undefined
    ? undefined
    : { expression, in: moduleAt(file) }
}

function docOf(expression: Expression, from: Module): Doc {
  if (expression.type === 'Identifier') {
    const type = NAMED_TYPES[expression.name]
    const found = follow(expression.name, from)
    if (type !== undefined || found === undefined) return newDoc({ type })
    return docOf(found.expression, found.in)
  }
  if (expression.type !== 'CallExpression') return newDoc()
  const { callee, arguments: given } = expression
  if (callee.type === 'Identifier') return newDoc({ refused: callee.name === 'notYet' })
  if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier') return newDoc()
  const [first, second] = given as Expression[]
  const made = callee.object.type === 'Identifier' && callee.object.name === 'z'
  if (!made) return docOf(callee.object as Expression, from)
  switch (callee.property.name) {
    case 'strictObject':
    case 'object':
      return newDoc({ below: new Map(first === undefined ? [] : keysIn(first, from)) })
    case 'array':
      return newDoc({ below: new Map(first ? [['[]', docOf(first, from)]] : []) })
    case 'record':
      return newDoc({ below: new Map(second ? [['*', docOf(second, from)]] : []) })
    case 'union': {
      const options = first?.type === 'ArrayExpression' ? first.elements : []
      const docs = options.map((option) => docOf(option as Expression, from))
      return newDoc({ below: new Map(docs.flatMap(({ below }) => [...below])) })
    }
    default:
      return newDoc()
  }
}

/** The keys of an object literal, or of a constant that is one. */
function keysIn(expression: Expression, from: Module): [string, Doc][] {
  const found =
    expression.type === 'Identifier' ? follow(expression.name, from) : { expression, in: from }
  return found?.expression.type === 'ObjectExpression'
    ? keysOf(found.expression.properties, found.in)
    : []
}

function keysOf(properties: readonly ObjectPropertyKind[], from: Module): [string, Doc][] {
  return properties.flatMap((property): [string, Doc][] => {
    if (property.type === 'SpreadElement') return keysIn(property.argument, from)
    const name = property.key.type === 'Identifier' ? property.key.name : ''
    const doc = docOf(property.value as Expression, from)
    const text = commentBefore(property.start, from)
    return [[name, text === '' ? doc : { ...doc, text }]]
  })
}

function commentBefore(offset: number, { comments, text }: Module): string {
  const comment = comments.findLast(({ end }) => end <= offset)
  if (comment === undefined || !comment.value.startsWith('*')) return ''
  if (text.slice(comment.end, offset).trim() !== '') return ''
  return comment.value
    .replace(/^\*|\n\s*\*/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
}

/** The parts of a JSON Schema that zod writes for our schemas. */
interface Schema {
  type?: string
  enum?: unknown[]
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
  default?: unknown
  minimum?: number
  maximum?: number
  pattern?: string
}

const schemaOf = (schema: z.ZodType) =>
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema

function typeText(schema: Schema, doc: Doc | undefined): string {
  if (doc?.type !== undefined) return doc.type
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(', ')
  if (schema.anyOf !== undefined) {
    const names = schema.anyOf.map((option) => typeText(option, undefined))
    return [...new Set(names)].join(' or ')
  }
  switch (schema.type) {
    case 'array':
      return `list of ${plural(typeText(schema.items ?? {}, doc?.below.get('[]')))}`
    case 'object':
      return typeof schema.additionalProperties === 'object' ? 'map' : 'section'
    case 'integer':
    case 'number': {
      const { minimum, maximum } = schema
      // What every JavaScript number can hold is no limit.
      const most = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? '' : `–${maximum}`
      const kind = schema.type === 'integer' ? 'whole number' : 'number'
      return minimum === undefined || minimum <= Number.MIN_SAFE_INTEGER
        ? kind
        : `${kind}, ${minimum}${most === '' ? ' or more' : most}`
    }
    case 'boolean':
      return '`true`, `false`'
    case 'string':
      return 'text'
    default:
      return 'text'
  }
}

const plural = (type: string) =>
  type.includes('`')
    ? type
    : type === 'text'
      ? 'texts'
      : type.replace(/(section|scope|map|URL)$/, '$1s')

interface Row {
  key: string
  type: string
  fallback: string
  text: string
}

/** The rows of the keys below `path`, and the keys that are refused. */
function rowsOf(schema: Schema, doc: Doc | undefined, path: string, refused: string[]): Row[] {
  const rows: Row[] = []
  for (const option of schema.anyOf ?? []) rows.push(...rowsOf(option, doc, path, refused))
  if (schema.items !== undefined)
    rows.push(...rowsOf(schema.items, doc?.below.get('[]'), `${path}[]`, refused))
  if (typeof schema.additionalProperties === 'object') {
    const below = doc?.below.get('*')
    rows.push(
      ...rowsOf(
        schema.additionalProperties,
        below,
        path === '' ? '<name>' : `${path}.<name>`,
        refused,
      ),
    )
  }
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    const key = path === '' ? name : `${path}.${name}`
    const below = doc?.below.get(name)
    if (below?.refused) {
      refused.push(key)
      continue
    }
    const required = schema.required?.includes(name) && inner.default === undefined
    const type = typeText(inner, below)
    const text = below?.text ?? ''
    // A section without words of its own shows in its keys.
    if (type !== 'section' || text !== '')
      rows.push({
        key,
        type,
        fallback:
          inner.default === undefined ? (required ? 'required' : '–') : shown(inner.default),
        text,
      })
    rows.push(...rowsOf(inner, below, key, refused))
  }
  return rows
}

const shown = (value: unknown) => {
  const text = JSON.stringify(value)
  return text === '[]' || text === '{}' || /^\{".*":\[\]\}$/.test(text)
    ? 'empty'
    : `\`${text.replaceAll('"', '')}\``
}

const cell = (text: string) => text.replaceAll('|', '\\|')

type ConfigFile = (typeof FILES)[number]

/** Every key of a file with its words; fails on a key without. */
function wordsOf([, source, name, schema]: ConfigFile): { rows: Row[]; refused: string[] } {
  const module = moduleAt(join(SOURCES, source))
  const expression = module.constants.get(name)
  if (expression === undefined) throw new Error(`${source} has no ${name}`)
  const refused: string[] = []
  const rows = rowsOf(schemaOf(schema), docOf(expression, module), '', refused)
  const missing = rows.filter(({ text }) => text === '')
  if (missing.length > 0) {
    throw new Error(`${source}: no doc comment on ${missing.map(({ key }) => key).join(', ')}`)
  }
  return { rows, refused }
}

function section(entry: ConfigFile): string {
  const { rows, refused } = wordsOf(entry)
  return [
    `### \`ServiceConfigs/${entry[0]}\``,
    '',
    '| Key | Type | Default | Meaning |',
    '|---|---|---|---|',
    ...rows.map(
      ({ key, type, fallback, text }) =>
        `| \`${key}\` | ${cell(type)} | ${fallback} | ${cell(text)} |`,
    ),
    ...(refused.length === 0
      ? []
      : ['', `Not implemented, and refused: ${refused.map((key) => `\`${key}\``).join(', ')}.`]),
  ].join('\n')
}

const BEGIN = '<!-- generated by scripts/config-docs.ts: change the schemas, not the tables -->'
const END = '<!-- end of what is generated -->'

/** The same words for the JSON Schemas that editors read. */
function keyWords(): string {
  const words = FILES.map((entry) => {
    const { rows } = wordsOf(entry)
    const lines = rows.map(({ key, text }) => `    ${literal(key)}: ${literal(text)},`)
    return `  ${literal(entry[0])}: {\n${lines.join('\n')}\n  },`
  })
  return [
    '// Generated by scripts/config-docs.ts from the doc comments of the schemas: change those.',
    '// biome-ignore-all format: one line a key',
    '// biome-ignore-all lint/suspicious/noTemplateCurlyInString: words about templates',
    '',
    '/** What every key of the configuration files means, by file and key. */',
    'export const KEY_WORDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {',
    ...words,
    '}',
    '',
  ].join('\n')
}

const literal = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

const before = readFileSync(PAGE, 'utf8')
const [head, rest] = before.split(BEGIN)
const tail = rest?.split(END)[1]
if (head === undefined || tail === undefined) throw new Error(`${PAGE} has lost its markers`)
const generated = new Map([
  [PAGE, `${head}${BEGIN}\n\n${FILES.map(section).join('\n\n')}\n\n${END}${tail}`],
  [join(SOURCES, 'key-words.ts'), keyWords()],
])
for (const [file, text] of generated) {
  if (!process.argv.includes('--check')) writeFileSync(file, text)
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    process.stderr.write(`${relative(ROOT, file)} is stale: run node scripts/config-docs.ts\n`)
    process.exitCode = 1
  }
}
