import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '@audience-bridge/testkit/config-copy.ts'

const PAGE = join(ROOT, 'docs/performance.md')

/** Replaces what stands between `<!-- figures: name -->` and `<!-- end of figures -->`. */
export function publish(name: string, text: string): void {
  const page = readFileSync(PAGE, 'utf8')
  const [begin, end] = [`<!-- figures: ${name} -->`, '<!-- end of figures -->']
  const from = page.indexOf(begin)
  const to = page.indexOf(end, from)
  if (from === -1 || to === -1) throw new Error(`${PAGE} has no "${begin}" … "${end}"`)
  writeFileSync(PAGE, `${page.slice(0, from)}${begin}\n\n${text}\n\n${page.slice(to)}`)
}

/** When and where figures were taken. */
export const provenance = (how: string) =>
  `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus()[0]?.model.trim()}, ${how}.`

/** As Markdown. */
export function table(rows: readonly Record<string, string | number | undefined>[]): string {
  const columns = Object.keys(rows[0] ?? {})
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`
  return [
    line(columns.map((column) => column.replaceAll('_', ' '))),
    line(columns.map((_, i) => (i === 0 ? '---' : '--:'))),
    ...rows.map((row) => line(columns.map((column) => row[column] ?? '–'))),
  ].join('\n')
}
