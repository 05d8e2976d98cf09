import { basename, join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { diffText } from '@audience-bridge/chain/diff-text.ts'
import type { SourceFile } from '@audience-bridge/chain/document.ts'
import { applyEdits } from '@audience-bridge/chain/edit.ts'
import { formatFaults } from '@audience-bridge/chain/fault.ts'
import { narrow } from '@audience-bridge/chain/narrow.ts'
import type { Patch } from '@audience-bridge/chain/patch.ts'
import { readConfig, readSources } from '../files/config-sources.ts'
import { replaceFile } from '../files/replace-file.ts'
import { accessFrom, LIVE_OPTIONS } from '../live/bff-url.ts'
import { readScopeUsage } from '../live/scope-usage.ts'
import { SIGN_IN_OPTIONS, signInWith } from '../live/sign-in.ts'
import { createVisitor } from '../live/visitor.ts'
import { type Change, renderNarrowing } from '../narrow/render.ts'
import { CouldNotRun, DONE, FAULTS_FOUND } from '../outcome.ts'

const DAY_MS = 24 * 3_600_000
const MOST_DAYS = 3650

/** `bridge narrow`: the fewest scopes that would have served the calls of the last days. */
export async function narrowCommand(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      ...LIVE_OPTIONS,
      ...SIGN_IN_OPTIONS,
      days: { type: 'string', default: '30' },
      write: { type: 'boolean', default: false },
    },
  })
  const days = Number(values.days)
  if (!(days > 0 && days <= MOST_DAYS)) {
    throw new CouldNotRun(`--days "${values.days}": give a number of days, at most ${MOST_DAYS}`)
  }
  const sources = readSources(values.config, process.env)
  const { config, faults } = readConfig(sources, process.env)
  if (config === undefined) {
    throw new CouldNotRun(`the configuration is malformed:\n${formatFaults(faults)}`)
  }
  const visitor = createVisitor(accessFrom(values, process.env).url)
  const signedIn = await signInWith(visitor, values, 'narrow')
  if (signedIn.kind === 'failed') {
    throw new CouldNotRun(
      `the sign-in ends with ${signedIn.status} at ${signedIn.detail}; bridge verify tells more`,
    )
  }

  const usage = await readScopeUsage(visitor, new Date(Date.now() - days * DAY_MS))
  const narrowing = narrow(config, usage)
  const { services, mappings } = narrowing
  const ours = changeBy(
    values.config,
    sources.settings,
    services.flatMap(({ patch }) => patch ?? []),
  )
  const theirs =
    sources.idp && changeBy(values.config, sources.idp.settings, [mappings.patch ?? []].flat())
  const written = ours !== undefined && values.write
  if (written) replaceFile(ours.file, ours.after)

  if (values.json) {
    const { from, to } = usage
    const diffs = { bff: ours?.diff ?? '', idp: theirs?.diff ?? '' }
    const result = { from, to, ...narrowing, diffs, written: written ? [ours.file] : [] }
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
  } else {
    process.stdout.write(renderNarrowing({ usage, days, narrowing, ours, theirs, written }))
  }
  return ours === undefined || written ? DONE : FAULTS_FOUND
}

/** What patches change in the file; undefined for nothing. */
function changeBy(
  directory: string,
  { file, text: before }: SourceFile,
  patches: readonly Patch[],
): Change | undefined {
  if (patches.length === 0) return undefined
  let after: string
  try {
    after = applyEdits(
      before,
      patches.flatMap(({ edits }) => edits),
    )
  } catch (cause) {
    throw new CouldNotRun(`${file}: ${(cause as Error).message}`)
  }
  const config = resolve(directory)
  const shown = join(basename(config), relative(config, resolve(file)))
  return { file, shown, after, diff: diffText(shown, before, after) }
}
