import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '@audience-bridge/testkit/config-copy.ts'
import { parse } from 'yaml'
import { z } from 'zod'
import { jsonSchemaOf, SCHEMA_NAMES, type SchemaName } from '../src/json-schemas.ts'

const FILES: Record<SchemaName, string> = {
  'bff-routes': 'BFF/config/routes.yaml',
  'bff-settings': 'BFF/config/settings.yaml',
  'bff-idps': 'BFF/config/idps.yaml',
  'idp-settings': 'IdP/config/settings.yaml',
  'idp-clients': 'IdP/config/clients.yaml',
  'analytics-settings': 'Analytics/config/settings.yaml',
  'crud-settings': 'CRUD/config/settings.yaml',
}

const read = (file: string) => readFileSync(join(ROOT, 'ServiceConfigs', file), 'utf8')
const validator = (name: SchemaName) => z.fromJSONSchema(jsonSchemaOf(name) as never)

test('the shipped JSON Schemas are those of the definitions', async (t) => {
  for (const name of SCHEMA_NAMES) {
    await t.test(name, () => {
      assert.deepEqual(
        JSON.parse(read(`schema/${name}.json`)),
        JSON.parse(JSON.stringify(jsonSchemaOf(name))),
        'stale: run npx bridge schema --out ServiceConfigs/schema',
      )
    })
  }
})

test('every shipped file names its schema, and is valid by it, templates and all', async (t) => {
  for (const [name, file] of Object.entries(FILES) as [SchemaName, string][]) {
    await t.test(file, () => {
      const text = read(file)
      assert.equal(text.split('\n')[0], `# yaml-language-server: $schema=../../schema/${name}.json`)
      assert.equal(validator(name).safeParse(parse(text)).error?.message, undefined)
    })
  }
})

test('an editor is told of a typing error, and of a key that nothing implements', () => {
  const settings = parse(read(FILES['bff-settings'])) as Record<string, unknown>
  const takes = (more: Record<string, unknown>) =>
    validator('bff-settings').safeParse({ ...settings, ...more }).success
  assert.ok(takes({}))
  assert.ok(!takes({ sevice_scopes: {} }))
  assert.ok(!takes({ session: { idle_seconds: 'long' } }))
  assert.ok(!takes({ authz: 'pdp' }))
  assert.ok(takes({ service_mint: { crud_service: 'client_credentials' } }))
  assert.ok(!takes({ service_mint: { crud_service: 'magic' } }))
})

test('every key has its words', () => {
  const missing: string[] = []
  const visit = (schema: ReturnType<typeof jsonSchemaOf>, path: string) => {
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      const isSection = property.properties !== undefined
      if (property.description === undefined && !isSection) missing.push(`${path}${name}`)
      visit(property, `${path}${name}.`)
    }
    if (schema.items !== undefined) visit(schema.items, path)
    for (const option of schema.anyOf ?? []) visit(option, path)
    if (typeof schema.additionalProperties === 'object') visit(schema.additionalProperties, path)
  }
  for (const name of SCHEMA_NAMES) visit(jsonSchemaOf(name), `${name}: `)
  assert.deepEqual(missing, [])
})
