import { diffText } from '@audience-bridge/chain/diff-text.ts'
import { byOwner } from '../files/owner.ts'
import type { Paint } from './paint.ts'

/** The change of one file. */
export interface FileChange {
  file: string
  before: string
  after: string
}

/** What differs between two sets of texts. */
export function changesBetween(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): FileChange[] {
  return [...before].flatMap(([file, text]) => {
    const now = after.get(file) ?? text
    return now === text ? [] : [{ file, before: text, after: now }]
  })
}

/** Unified diffs under the teams that own the files. */
export function renderChanges(changes: readonly FileChange[], paint: Paint): string {
  const texts = new Map(changes.map(({ file, before }) => [file, before]))
  return [...byOwner(changes, texts)]
    .map(([owner, theirs]) => {
      const diffs = theirs.map(({ file, before, after }) =>
        colour(diffText(file, before, after), paint),
      )
      return `${paint.bold(`# ${owner}`)}\n${diffs.join('')}`
    })
    .join('\n')
}

function colour(diff: string, paint: Paint): string {
  return diff.replace(/^([+-]).*$/gm, (line, sign) =>
    /^(\+\+\+|---) /.test(line) ? line : sign === '+' ? paint.green(line) : paint.red(line),
  )
}
