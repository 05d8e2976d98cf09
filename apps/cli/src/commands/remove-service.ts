import { parseArgs } from 'node:util'
import { knowsService, removeServicePatches } from '@audience-bridge/chain/remove-service.ts'
import { readConfig, readSources, soundConfig, textsOf } from '../files/config-sources.ts'
import { applyPatches, findIn, newIn } from '../files/mending.ts'
import { replaceFile } from '../files/replace-file.ts'
import { CouldNotRun, DONE, FAULTS_FOUND } from '../outcome.ts'
import { changesBetween } from '../report/diff.ts'
import { paintFor } from '../report/paint.ts'
import { isSound, type Proposal, proposalJson, renderProposal } from '../report/proposal.ts'

/** `bridge remove-service NAME`: takes a service out of all files; `--write` applies it. */
export async function removeServiceCommand(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      config: { type: 'string', default: 'ServiceConfigs' },
      write: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const [name, ...more] = positionals
  if (name === undefined || more.length > 0) throw new CouldNotRun('bridge remove-service NAME')
  const sources = readSources(values.config, process.env)
  const config = soundConfig(readConfig(sources, process.env))
  if (!knowsService(config, name)) throw new CouldNotRun(`no file speaks of a service "${name}"`)
  if (config.settings.events?.service === name) {
    throw new CouldNotRun(`the BFF sends its events to ${name}: change events.service first`)
  }

  const after = applyPatches(sources, removeServicePatches(config, name))
  const proposal: Proposal = {
    changes: changesBetween(textsOf(sources), textsOf(after)),
    problems: newIn(findIn(after, process.env), findIn(sources, process.env)),
    notes: [],
  }
  if (values.write && isSound(proposal)) {
    for (const change of proposal.changes) replaceFile(change.file, change.after)
  }
  process.stdout.write(
    `${values.json ? proposalJson(proposal, values.write) : renderProposal(proposal, values.write, paintFor(process.stdout))}\n`,
  )
  return isSound(proposal) ? DONE : FAULTS_FOUND
}
