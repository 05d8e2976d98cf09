import { type FileChange, renderChanges } from './diff.ts'
import type { Paint } from './paint.ts'

/** A change as it is shown before it is written, or after. */
export function renderProposal(
  changes: readonly FileChange[],
  written: boolean,
  paint: Paint,
): string {
  if (changes.length === 0) return 'Nothing to change.'
  const files = `${changes.length} file${changes.length === 1 ? '' : 's'}`
  return `${renderChanges(changes, paint)}\n${
    written ? `Written: ${files}.` : `Nothing is written yet; --write changes ${files}.`
  }`
}
