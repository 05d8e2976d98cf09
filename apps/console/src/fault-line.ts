/** One fault of the configuration's files, as far as its line can be taken apart. */
export type FaultLine = {
  /** `file:line:column`, as an editor takes it. */
  place: string | undefined
  text: string
  mend: string | undefined
  code: string | undefined
}

const PLACE = /^(\S.*?:\d+:\d+): (.*)$/s
const CODE = / \[([a-z0-9_]+)\]$/
const MEND = /^(.*?)\.? Mend: (.*)$/s

/** Reads `PLACE: TEXT. Mend: MEND [CODE]`, every part but the text optional. */
export function readFaultLine(line: string): FaultLine {
  const code = CODE.exec(line)?.[1]
  const [, place, afterPlace = stripCode(line)] = PLACE.exec(stripCode(line)) ?? []
  const [, text = afterPlace, mend] = MEND.exec(afterPlace) ?? []
  return { place, text, mend, code }
}

/** The same links stand in `broken_links`, with more about each. */
export function isBrokenLinkLine(line: string): boolean {
  return line.startsWith('broken link route=')
}

const stripCode = (line: string) => line.replace(CODE, '')
