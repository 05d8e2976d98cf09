import { join } from 'node:path'
import { rolldown } from 'rolldown'

/** The client as a bundler ships it: minified, and as the global `AudienceBridge` for a page. */
export async function bundle(): Promise<string> {
  const build = await rolldown({ input: join(import.meta.dirname, '../src/client.ts') })
  const { output } = await build.generate({ format: 'iife', name: 'AudienceBridge', minify: true })
  await build.close()
  return output[0].code
}
