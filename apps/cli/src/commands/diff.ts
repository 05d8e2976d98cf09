import { statSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Access, accessOf } from '@audience-bridge/chain/access.ts'
import { diffAccess } from '@audience-bridge/chain/access-diff.ts'
import { readConfig, readSources, soundConfig } from '../files/config-sources.ts'
import { readAtRevision } from '../files/git.ts'
import { CouldNotRun, DONE, FAULTS_FOUND } from '../outcome.ts'
import { renderAccessChanges } from '../report/access.ts'
import { paintFor } from '../report/paint.ts'

/** `bridge diff OLD [NEW]`: who gains or loses what between two states of the configuration. */
export async function diffCommand(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      config: { type: 'string', default: 'ServiceConfigs' },
      'fail-on-widening': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const [old, now = values.config, ...more] = positionals
  if (old === undefined || more.length > 0) {
    throw new CouldNotRun('bridge diff OLD [NEW]: directories of configuration, or git revisions')
  }
  const changes = diffAccess(accessAt(old, values.config), accessAt(now, values.config))
  const widens = changes.some(({ change }) => change === 'gains')
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ widens, changes }, null, 2)}\n`
      : `${renderAccessChanges(changes, paintFor(process.stdout))}\n`,
  )
  return widens && values['fail-on-widening'] ? FAULTS_FOUND : DONE
}

/** @param place a directory, or a revision at which `directory` is read. */
function accessAt(place: string, directory: string): Access[] {
  const isDirectory = statSync(place, { throwIfNoEntry: false })?.isDirectory() === true
  const sources = isDirectory
    ? readSources(place, process.env)
    : readSources(directory, process.env, readAtRevision(place, directory))
  return accessOf(soundConfig(readConfig(sources, process.env)))
}
