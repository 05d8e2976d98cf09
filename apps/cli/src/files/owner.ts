import { basename, dirname } from 'node:path'

/** Who answers for a file: its head says `Owner: the BFF team.`; otherwise its directory's name. */
export function ownerOf(file: string, text: string): string {
  const head = text.split('\n', 5).join('\n')
  const named = /^#.*\bOwner: (?:the )?([^.\n]+)/m.exec(head)?.[1]
  return named ?? `${basename(dirname(dirname(file)))} team`
}

/** Items by the owners of their files, in the order in which these first come. */
export function byOwner<T extends { file: string }>(
  items: readonly T[],
  texts: ReadonlyMap<string, string>,
): Map<string, T[]> {
  return Map.groupBy(items, ({ file }) => ownerOf(file, texts.get(file) ?? ''))
}
