import { z } from 'zod'
import { analyticsSettingsSchema } from './analytics-settings.ts'
import { bffIdpsSchema } from './bff-idps.ts'
import { bffRoutesSchema } from './bff-routes.ts'
import { bffSettingsSchema } from './bff-settings.ts'
import { crudSettingsSchema } from './crud-settings.ts'
import { idpClientsSchema } from './idp-clients.ts'
import { idpSettingsSchema } from './idp-settings.ts'
import { KEY_WORDS } from './key-words.ts'

/** The configuration files by the names of their JSON Schemas. */
const FILES = {
  'bff-routes': ['BFF/config/routes.yaml', bffRoutesSchema],
  'bff-settings': ['BFF/config/settings.yaml', bffSettingsSchema],
  'bff-idps': ['BFF/config/idps.yaml', bffIdpsSchema],
  'idp-settings': ['IdP/config/settings.yaml', idpSettingsSchema],
  'idp-clients': ['IdP/config/clients.yaml', idpClientsSchema],
  'analytics-settings': ['Analytics/config/settings.yaml', analyticsSettingsSchema],
  'crud-settings': ['CRUD/config/settings.yaml', crudSettingsSchema],
} as const satisfies Record<string, readonly [file: string, schema: z.ZodType]>

export type SchemaName = keyof typeof FILES

export const SCHEMA_NAMES = Object.keys(FILES) as SchemaName[]

/** A JSON Schema, as far as ours go. */
export interface JsonSchema {
  type?: string
  enum?: unknown[]
  properties?: Record<string, JsonSchema>
  additionalProperties?: JsonSchema | boolean
  items?: JsonSchema
  anyOf?: JsonSchema[]
  pattern?: string
  format?: string
  description?: string
  [keyword: string]: unknown
}

/** A template, as it may stand in place of any scalar. */
const TEMPLATE: JsonSchema = { type: 'string', pattern: '\\$\\{' }

/**
 * The JSON Schema (draft 2020-12) of one configuration file, for editors: from the definition that
 * the services validate with, the words of its keys, and templates allowed where scalars stand.
 */
export function jsonSchemaOf(name: SchemaName): JsonSchema {
  const [file, schema] = FILES[name]
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  const { $schema, ...rest } = json
  return {
    $schema,
    $id: `urn:audience-bridge:${name}`,
    title: `ServiceConfigs/${file}`,
    ...forEditors(rest, '', KEY_WORDS[file] ?? {}),
  }
}

/** @param path as the words have it: `routes[].path`, `services.<name>.timeout`. */
function forEditors(
  schema: JsonSchema,
  path: string,
  words: Readonly<Record<string, string>>,
): JsonSchema {
  const below = (name: string) => (path === '' ? name : `${path}.${name}`)
  const inner: JsonSchema = { ...schema }
  if (schema.properties !== undefined) {
    inner.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([name, property]) => {
        const described = forEditors(property, below(name), words)
        const description = described.description ?? words[below(name)]
        return [name, description === undefined ? described : { description, ...described }]
      }),
    )
  }
  if (typeof schema.additionalProperties === 'object')
    inner.additionalProperties = forEditors(schema.additionalProperties, below('<name>'), words)
  if (schema.items !== undefined) inner.items = forEditors(schema.items, `${path}[]`, words)
  if (schema.anyOf !== undefined)
    inner.anyOf = schema.anyOf.map((option) => forEditors(option, path, words))
  return takesNoTemplate(inner) ? withTemplate(inner) : inner
}

/** A scalar that a text with a template would not be. */
function takesNoTemplate({ type, enum: values, pattern, format }: JsonSchema): boolean {
  if (values !== undefined || type === 'integer' || type === 'number' || type === 'boolean')
    return true
  return type === 'string' && (pattern !== undefined || format !== undefined)
}

function withTemplate({ default: fallback, description, ...schema }: JsonSchema): JsonSchema {
  return {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [schema, TEMPLATE],
  }
}
