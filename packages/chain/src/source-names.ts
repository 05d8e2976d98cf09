import { z } from 'zod'
import { readDocument, type SourceFile } from './document.ts'
import type { Environment } from './variables.ts'

/** Where other parties' files may be read; paths are relative to the directory of settings.yaml. */
export interface SourceNames {
  idpDirectory: string | undefined
  /** By service. */
  backends: Readonly<Record<string, string>>
}

/** Only what is asked here: a fault elsewhere in the file must not hide the files it names. */
const schema = z.looseObject({
  idp_config_dir: z.string().min(1).optional().catch(undefined),
  backend_settings: z.record(z.string(), z.string().min(1)).catch({}).default({}),
})

/** What the BFF's settings.yaml says of other files, as far as it can be read at all. */
export function sourceNames(settings: SourceFile, env: Environment): SourceNames {
  const { value } = readDocument(settings, schema, env)
  return { idpDirectory: value?.idp_config_dir, backends: value?.backend_settings ?? {} }
}
