import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { jsonSchemaOf, SCHEMA_NAMES } from '@audience-bridge/chain/json-schemas.ts'
import { CouldNotRun, DONE } from '../outcome.ts'

/** `bridge schema [NAME] [--out DIR]`: the JSON Schemas by which editors complete and check. */
export async function schemaCommand(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { out: { type: 'string' } },
  })
  const names = positionals.map((asked) => {
    const name = SCHEMA_NAMES.find((one) => one === asked)
    if (name !== undefined) return name
    throw new CouldNotRun(`no schema is called "${asked}"; there are ${SCHEMA_NAMES.join(', ')}`)
  })
  if (values.out === undefined && names.length !== 1) {
    if (names.length > 1) throw new CouldNotRun('one NAME, or --out DIR for several')
    process.stdout.write(`${SCHEMA_NAMES.join('\n')}\n`)
    return DONE
  }
  const wanted = names.length === 0 ? SCHEMA_NAMES : names
  for (const name of wanted) {
    const text = `${JSON.stringify(jsonSchemaOf(name), null, 2)}\n`
    if (values.out === undefined) process.stdout.write(text)
    else {
      mkdirSync(values.out, { recursive: true })
      writeFileSync(join(values.out, `${name}.json`), text)
    }
  }
  return DONE
}
