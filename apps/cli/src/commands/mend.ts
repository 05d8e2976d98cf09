import { parseArgs } from 'node:util'
import type { Finding } from '@audience-bridge/chain/check.ts'
import { readSources, textsOf } from '../files/config-sources.ts'
import { findIn, mend } from '../files/mending.ts'
import { replaceFile } from '../files/replace-file.ts'
import { CouldNotRun, DONE, FAULTS_FOUND } from '../outcome.ts'
import { changesBetween } from '../report/diff.ts'
import { renderFindings } from '../report/findings.ts'
import { paintFor } from '../report/paint.ts'
import { renderProposal } from '../report/proposal.ts'

/** `bridge mend [CODE…|--all]`: applies the mends of `bridge check`, or shows them. */
export async function mendCommand(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      config: { type: 'string', default: 'ServiceConfigs' },
      all: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const codes = new Set(positionals)
  if (values.all === codes.size > 0) {
    throw new CouldNotRun('name the codes that bridge check prints, or give --all')
  }
  const sources = readSources(values.config, process.env)
  const found = findIn(sources, process.env)
  const unknown = [...codes].filter((code) => !found.some((finding) => finding.code === code))
  if (unknown.length > 0) throw new CouldNotRun(`nothing to mend is called ${unknown.join(', ')}`)

  const wanted = ({ code }: Finding) => values.all || codes.has(code)
  const mended = mend(sources, process.env, wanted)
  const changes = changesBetween(textsOf(sources), textsOf(mended.sources))
  if (values.write) for (const { file, after } of changes) replaceFile(file, after)

  if (values.json) {
    const written = values.write ? changes.map(({ file }) => file) : []
    const result = {
      mended: found.length - mended.left.length,
      left: mended.left,
      changes,
      written,
    }
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
  } else {
    const paint = paintFor(process.stdout)
    const proposal = { changes, problems: [], notes: [] }
    process.stdout.write(`${renderProposal(proposal, values.write, paint)}\n`)
    if (mended.left.length > 0) {
      process.stdout.write(`\nLeft to mend:\n\n${renderFindings(mended.left, paint)}`)
    }
  }
  const isDone = mended.left.length === 0 && (values.write || changes.length === 0)
  return isDone ? DONE : FAULTS_FOUND
}
