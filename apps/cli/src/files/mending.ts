import { type Finding, findingsOf } from '@audience-bridge/chain/check.ts'
import { applyEdits } from '@audience-bridge/chain/edit.ts'
import type { Patch } from '@audience-bridge/chain/patch.ts'
import type { Environment } from '@audience-bridge/chain/variables.ts'
import { type ConfigSources, readConfig, textsOf, withTexts } from './config-sources.ts'

/** What is left after mending, and the files as they would be. */
export interface Mended {
  sources: ConfigSources
  left: Finding[]
}

/** More rounds than this find nothing new. */
const MOST_ROUNDS = 50

/**
 * Applies the patches of all findings that `wanted` picks, and of those that come to light by it,
 * until none is left. Nothing is written.
 */
export function mend(
  sources: ConfigSources,
  env: Environment,
  wanted: (finding: Finding) => boolean,
): Mended {
  let current = sources
  let left = findIn(current, env)
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const patches = left.filter(wanted).flatMap(({ patch }) => patch ?? [])
    const texts = applyTogether(textsOf(current), patches)
    if (texts === undefined) break
    current = withTexts(current, texts)
    left = findIn(current, env)
  }
  return { sources: current, left }
}

export function findIn(sources: ConfigSources, env: Environment): Finding[] {
  const { config, faults } = readConfig(sources, env)
  return findingsOf(config, faults)
}

/**
 * As many patches as can be applied side by side; undefined when nothing changes. Each was made for
 * the files as they are: after a removal the places in its file are others, and the rest waits.
 */
function applyTogether(
  texts: ReadonlyMap<string, string>,
  patches: readonly Patch[],
): Map<string, string> | undefined {
  const result = new Map(texts)
  const done = new Set<string>()
  const moved = new Set<string>()
  for (const { file, edits } of patches) {
    const identity = JSON.stringify([file, edits])
    const text = result.get(file)
    if (text === undefined || moved.has(file) || done.has(identity)) continue
    done.add(identity)
    result.set(file, applyEdits(text, edits))
    if (edits.some(({ op }) => op === 'remove' || op === 'rename')) moved.add(file)
  }
  return [...result].some(([file, text]) => text !== texts.get(file)) ? result : undefined
}

/** The files after patches that were all made for them as they are. */
export function applyPatches(sources: ConfigSources, patches: readonly Patch[]): ConfigSources {
  const texts = textsOf(sources)
  for (const { file, edits } of patches) {
    texts.set(file, applyEdits(texts.get(file) ?? '', edits))
  }
  return withTexts(sources, texts)
}

/** Findings that were not there before. */
export function newIn(after: readonly Finding[], before: readonly Finding[]): Finding[] {
  const known = new Set(before.map(identity))
  return after.filter((finding) => !known.has(identity(finding)))
}

/** Lines move with a change: what was found is the same finding. */
const identity = ({ code, at, found, key }: Finding) => JSON.stringify([code, at?.file, found, key])
