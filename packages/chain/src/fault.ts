import type { Patch } from './patch.ts'

/** Where a fault stands; line and column count from 1. */
export interface Place {
  file: string
  line: number
  column: number
}

/**
 * What is wrong in a configuration and how to mend it.
 * `malformed` refuses the start or the reload; `broken` loads, and stops its route alone; `unsafe`
 * loads and works, at a risk that is told at each start.
 */
export interface Fault {
  kind: 'malformed' | 'broken' | 'unsafe'
  /** Stable name, for example `unknown_key`. */
  code: string
  at: Place
  /** The key concerned, for example `auth.oauth_scopes`; empty for the file as a whole. */
  key: string
  found: string
  expected: string
  mend: string
  /** The mend, ready to be applied; absent where a person must decide. */
  patch?: Patch | undefined
}

export function formatPlace({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`
}

/** One fault as one line that names the thing, the place and the mend. */
export function formatFault(fault: Fault): string {
  const key = fault.key === '' ? '' : ` ${fault.key}:`
  return `${formatPlace(fault.at)}:${key} found ${fault.found}; expected ${fault.expected}. Mend: ${fault.mend} [${fault.code}]`
}

/** All faults, a line each, in the order of the files and lines. */
export function formatFaults(faults: readonly Fault[]): string {
  return [...faults]
    .sort(
      (a, b) =>
        a.at.file.localeCompare(b.at.file) || a.at.line - b.at.line || a.at.column - b.at.column,
    )
    .map(formatFault)
    .join('\n')
}
