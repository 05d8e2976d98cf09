/**
 * Puts a fragment of YAML, as a page shows it, into a file: where the file has a key of the fragment,
 * what is below the key comes right after it, and so on inwards. Plain text in, plain text out.
 */
export function mergeFragment(file: string, fragment: string): string {
  const lines = file.split('\n')
  for (const part of topLevelParts(fragment)) {
    let at = -1
    let depth = 0
    const rest = [...part]
    for (let next = rest[0]; next !== undefined; next = rest[0]) {
      const found = lines.findIndex((line, i) => i > at && line.trimEnd() === next)
      const inside =
        found !== -1 && lines.slice(at + 1, found).every((line) => indent(line) >= depth)
      if (!next.trimEnd().endsWith(':') || !inside) break
      at = found
      depth = indent(next) + 1
      rest.shift()
    }
    if (at === -1) throw new Error(`the file has nothing like "${part[0]}"`)
    lines.splice(at + 1, 0, ...rest)
  }
  return lines.join('\n')
}

function topLevelParts(fragment: string): string[][] {
  const parts: string[][] = []
  for (const line of fragment.split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue
    if (indent(line) === 0) parts.push([line])
    else parts.at(-1)?.push(line)
  }
  return parts
}

/** Blank lines and comments belong to whatever is around them. */
const indent = (line: string) =>
  /^\s*(#|$)/.test(line) ? Number.POSITIVE_INFINITY : line.length - line.trimStart().length
