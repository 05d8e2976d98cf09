import type { Finding } from '@audience-bridge/chain/check.ts'
import { applyEdits } from '@audience-bridge/chain/edit.ts'
import { FINDING_CODES } from '@audience-bridge/chain/finding-codes.ts'
import type { Patch } from '@audience-bridge/chain/patch.ts'

/** Each is a reading of a whole file; a review of more reads none of them. */
const MOST_FIXES = 200

/** A log of one run in SARIF 2.1.0 (OASIS), as code hosts show it beside the lines of a change. */
export function sarifOf(findings: readonly Finding[], texts: ReadonlyMap<string, string>) {
  const codes = [...new Set(findings.map(({ code }) => code))].sort()
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'bridge check',
            informationUri: 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html',
            rules: codes.map((code) => ({
              id: code,
              shortDescription: { text: sentenceFor(code) },
              defaultConfiguration: { level: 'error' },
            })),
          },
        },
        columnKind: 'utf16CodeUnits',
        results: findings.map((finding, i) =>
          resultOf(finding, codes, i < MOST_FIXES ? texts : new Map()),
        ),
      },
    ],
  }
}

function sentenceFor(code: string): string {
  return Object.hasOwn(FINDING_CODES, code)
    ? FINDING_CODES[code as keyof typeof FINDING_CODES]
    : code
}

function resultOf(
  { kind, code, at, routes, found, expected, mend, patch }: Finding,
  codes: readonly string[],
  texts: ReadonlyMap<string, string>,
) {
  const fixes = patch === undefined ? [] : fixesOf(patch, mend, texts)
  return {
    ruleId: code,
    ruleIndex: codes.indexOf(code),
    level: kind === 'unsafe' ? 'warning' : 'error',
    message: { text: `Found ${found}; expected ${expected}. Mend: ${mend}.` },
    locations:
      at === undefined
        ? []
        : [
            {
              physicalLocation: {
                artifactLocation: locationOf(at.file),
                region: { startLine: at.line, startColumn: at.column },
              },
            },
          ],
    properties: { kind, routes },
    ...(fixes.length === 0 ? {} : { fixes }),
  }
}

/** The patch as one replacement: what is the same before and after it on both sides stays. */
function fixesOf({ file, edits }: Patch, mend: string, texts: ReadonlyMap<string, string>) {
  const before = texts.get(file)
  if (before === undefined) return []
  const after = applyEdits(before, edits)
  let start = 0
  while (start < before.length && start < after.length && before[start] === after[start]) start++
  let tail = 0
  while (
    tail < Math.min(before.length, after.length) - start &&
    before.at(-1 - tail) === after.at(-1 - tail)
  )
    tail++
  const from = positionOf(before, start)
  const to = positionOf(before, before.length - tail)
  return [
    {
      description: { text: mend },
      artifactChanges: [
        {
          artifactLocation: locationOf(file),
          replacements: [
            {
              deletedRegion: {
                startLine: from.line,
                startColumn: from.column,
                endLine: to.line,
                endColumn: to.column,
              },
              insertedContent: { text: after.slice(start, after.length - tail) },
            },
          ],
        },
      ],
    },
  ]
}

const locationOf = (file: string) => ({
  uri: file.startsWith('/') ? `file://${encodeURI(file)}` : encodeURI(file),
})

function positionOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset)
  const lineStart = before.lastIndexOf('\n') + 1
  return { line: before.split('\n').length, column: offset - lineStart + 1 }
}
