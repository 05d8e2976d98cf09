import type { Finding } from '@audience-bridge/chain/check.ts'
import { byOwner } from '../files/owner.ts'
import { type FileChange, renderChanges } from './diff.ts'
import { renderFindings } from './findings.ts'
import type { Paint } from './paint.ts'

/** A change of files that is shown before it is written. */
export interface Proposal {
  changes: readonly FileChange[]
  /** What would be amiss after it: then it is not written. */
  problems: readonly Finding[]
  notes: readonly string[]
}

/** Whether the change may be written when that is asked for. */
export const isSound = ({ problems }: Proposal): boolean => problems.length === 0

export function renderProposal(proposal: Proposal, write: boolean, paint: Paint): string {
  const { changes, problems, notes } = proposal
  if (changes.length === 0) return 'Nothing to change.'
  const files = `${changes.length} file${changes.length === 1 ? '' : 's'}`
  const verdict = !isSound(proposal)
    ? `Not written: after this change the bridge would not be whole.\n\n${renderFindings(problems, paint)}`
    : write
      ? `Written: ${files}.`
      : `Nothing is written yet; --write changes ${files}.`
  return [renderChanges(changes, paint), verdict, ...(isSound(proposal) ? notes : [])].join('\n')
}

/** The same for programs. */
export function proposalJson(proposal: Proposal, write: boolean): string {
  const { changes, problems, notes } = proposal
  const texts = new Map(changes.map(({ file, before }) => [file, before]))
  const owners = Object.fromEntries(
    [...byOwner(changes, texts)].map(([owner, theirs]) => [owner, theirs.map(({ file }) => file)]),
  )
  const written = write && isSound(proposal) ? changes.map(({ file }) => file) : []
  return JSON.stringify({ changes, owners, problems, notes, written }, null, 2)
}
